import { access, constants } from "node:fs/promises"
import type { Accelerator } from "./accelerator.js"
import type { AcceleratorChoice } from "./remembered-choice.js"

/**
 * Decides by trial: a `/dev/kvm` that is there and opens still proves nothing, since on some hosts (nested ones above
 * all) a guest then never gets on. The trial is the boot of the real guest.
 *
 * @param boots Boots the guest under an accelerator and throws when it does not come up in time.
 */
export async function probeAccelerator(
  boots: (accelerator: Accelerator) => Promise<void>,
  device = "/dev/kvm",
): Promise<AcceleratorChoice> {
  const obstacle = await obstacleTo(device)
  if (obstacle !== undefined) return { accelerator: "tcg", reason: obstacle }
  try {
    await boots("kvm")
    return { accelerator: "kvm", reason: "" }
  } catch (error) {
    return { accelerator: "tcg", reason: `${device} opens but does not run a guest: ${String(error)}` }
  }
}

async function obstacleTo(device: string): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT"
      ? `${device} does not exist`
      : `${device} may not be opened by this user`
  }
}
