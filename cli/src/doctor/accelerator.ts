import { failed, ok, warning, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"

const name = "virtualisation"

const mends = {
  missing:
    "Switch on virtualisation (VT-x or AMD-V) in the firmware, or nested virtualisation if this is a virtual machine, " +
    "and load the module: sudo modprobe kvm_intel or kvm_amd. Without it, use OpenSandbox for development only.",
  forbidden: "Let this user open it, then log in again: sudo usermod -aG kvm $USER",
  opens:
    "The host's virtualisation does not work, which nested virtualisation often does not. Use another host; here, use " +
    "OpenSandbox for development only.",
}

/** Finds out by booting a guest: a `/dev/kvm` that is there, and opens, need not run one. */
export async function checkAccelerator(
  probe: Pick<HostProbe, "kvmDevice" | "currentImage" | "accelerator">,
): Promise<Finding> {
  const device = await probe.kvmDevice()
  const image = await probe.currentImage()
  if (image === undefined) {
    return device === "opens"
      ? warning(
          name,
          "/dev/kvm opens; not tried, as there is no image",
          'Run "npm run setup", then this again.',
        )
      : warning(name, `/dev/kvm is ${device}`, mends[device])
  }
  try {
    const { accelerator, reason } = await probe.accelerator(image)
    if (accelerator !== "tcg") return ok(name, `${accelerator}; a guest boots`)
    return warning(
      name,
      `software emulation (tcg), slow and without isolation guarantee: ${reason}`,
      mends[device],
    )
  } catch (error) {
    return failed(
      name,
      `no guest boots: ${String(error)}`,
      "Mend what else this command reports, then try again.",
    )
  }
}
