import { failed, ok, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"
import { isAtLeast } from "./versions.js"

export function checkNode(probe: Pick<HostProbe, "nodeVersion">): Finding {
  const version = probe.nodeVersion()
  return isAtLeast(version, 20, 19)
    ? ok("Node", version)
    : failed("Node", version, "Install Node 20.19 or later: https://nodejs.org/en/download")
}
