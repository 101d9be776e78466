import { join } from "node:path"
import { failed, ok, type Finding } from "./check.js"
import type { HostProbe } from "./host-probe.js"
import { isAtLeast } from "./versions.js"

export const checkQemu = (probe: Pick<HostProbe, "outputOf">): Promise<Finding> =>
  checkProgram(probe, "qemu-system-x86_64", "qemu-system-x86")

export const checkQemuImg = (probe: Pick<HostProbe, "outputOf">): Promise<Finding> =>
  checkProgram(probe, "qemu-img", "qemu-utils")

async function checkProgram(
  probe: Pick<HostProbe, "outputOf">,
  program: string,
  debianPackage: string,
): Promise<Finding> {
  const output = await probe.outputOf(program, ["--version"])
  const version = output?.split("\n")[0] ?? ""
  if (output === undefined) {
    return failed(program, "not installed", `On Debian and Ubuntu: sudo apt-get install ${debianPackage}`)
  }
  return isAtLeast(version, 7, 2)
    ? ok(program, version)
    : failed(program, version, "Install QEMU 7.2 or later.")
}

/** The guest's firmware, which QEMU looks for in its own list of directories. */
export async function checkQboot(probe: Pick<HostProbe, "outputOf" | "isReadable">): Promise<Finding> {
  const directories = (await probe.outputOf("qemu-system-x86_64", ["-L", "help"])) ?? ""
  for (const directory of directories.split("\n").filter((line) => line !== "")) {
    const file = join(directory, "qboot.rom")
    if (await probe.isReadable(file)) return ok("qboot.rom", file)
  }
  return failed(
    "qboot.rom",
    "not in any of QEMU's data directories",
    "On Debian and Ubuntu: sudo apt-get install qemu-system-data",
  )
}
