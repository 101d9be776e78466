import { totalmem } from "node:os"

/** What is left to the host itself, to the server and to the cache of files, of which guests' disks live. */
const hostShare = 0.2

/** How much of the host's memory machines may have together, when nobody says: of what the server's container may have, too. */
export function memoryForMachinesMiB(
  hostBytes = totalmem(),
  // 0 where there is no limit.
  containerBytes = process.constrainedMemory(),
): number {
  const bytes = containerBytes > 0 ? Math.min(hostBytes, containerBytes) : hostBytes
  return Math.floor((bytes * (1 - hostShare)) / (1024 * 1024))
}
