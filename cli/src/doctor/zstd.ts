import { ok, warning, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"

/** Archives of sandboxes are compressed with it. */
export async function checkZstd(probe: Pick<HostProbe, "outputOf">): Promise<Finding> {
  const output = await probe.outputOf("zstd", ["--version"])
  return output === undefined
    ? warning(
        "zstd",
        "not installed; export and import need it",
        "On Debian and Ubuntu: sudo apt-get install zstd",
      )
    : ok("zstd", output.trim())
}
