import { failed, ok, warning, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"
import { gibibytes, GiB } from "./sizes.js"

export async function checkDataDirectory(
  probe: Pick<HostProbe, "freeBytes">,
  directory: string,
): Promise<Finding> {
  const name = "data directory"
  const free = await probe.freeBytes(directory)
  if (free === undefined) {
    return failed(name, `${directory} cannot be written by this user`, "Choose another with --data-dir.")
  }
  const found = `${directory}, ${gibibytes(free)} free`
  const mend = "Make room on this file system, or choose another with --data-dir."
  if (free < GiB / 4) return failed(name, found, mend)
  return free < 2 * GiB ? warning(name, found, mend) : ok(name, found)
}
