import { failed, ok, warning, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"
import { gibibytes, GiB } from "./sizes.js"

/** A machine has 512 MiB, of which it shares with the others what it does not change. */
export function checkMemory(probe: Pick<HostProbe, "availableMemory">): Finding {
  const available = probe.availableMemory()
  const found = `${gibibytes(available)} available`
  const mend = "End other programs, or use a machine with more memory."
  if (available < GiB / 2) return failed("memory", found, mend)
  return available < GiB ? warning("memory", found, mend) : ok("memory", found)
}
