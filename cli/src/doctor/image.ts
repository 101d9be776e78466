import { failed, ok, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"

export async function checkImage(probe: Pick<HostProbe, "currentImage">): Promise<Finding> {
  const image = await probe.currentImage()
  return image === undefined
    ? failed("image", "not built", 'Run "npm run setup" in the repository.')
    : ok("image", image)
}
