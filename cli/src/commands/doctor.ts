import type { Command } from "commander"
import { jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { checkAccelerator } from "../doctor/accelerator.js"
import type { Finding } from "../doctor/check.js"
import { checkDataDirectory } from "../doctor/data-directory.js"
import { checkImage } from "../doctor/image.js"
import { checkMemory } from "../doctor/memory.js"
import { checkNode } from "../doctor/node-version.js"
import { checkPort } from "../doctor/port.js"
import { checkQboot, checkQemu, checkQemuImg } from "../doctor/qemu.js"
import { checkZstd } from "../doctor/zstd.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { dataDirectoryOption, hostOption, portOption } from "../options.js"
import { printable } from "../printable.js"

interface DoctorOptions extends JsonOption {
  host: string
  port: number
  dataDir: string
}

export function addDoctor(program: Command, context: Context): void {
  program
    .command("doctor")
    .description("check everything that a host needs, and say how to mend what is not right")
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(dataDirectoryOption())
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nThe first run may boot a guest and take half a minute. Exits with " +
        `${exitCodes.failed} when something that is needed fails.\n${examples("opensandbox doctor")}`,
    )
    .action(async (options: DoctorOptions) => {
      const checks = await examine(context, options)
      const success = checks.every(({ state }) => state !== "failed")
      context.stdout(
        options.json === true ? `${JSON.stringify({ success, checks })}\n` : checks.map(describe).join(""),
      )
      if (!success) context.exitWith(exitCodes.failed)
    })
}

async function examine({ probeHost }: Context, options: DoctorOptions): Promise<Finding[]> {
  return [
    checkNode(probeHost),
    await checkQemu(probeHost),
    await checkQemuImg(probeHost),
    await checkQboot(probeHost),
    await checkZstd(probeHost),
    await checkImage(probeHost),
    await checkAccelerator(probeHost),
    await checkDataDirectory(probeHost, options.dataDir),
    await checkPort(probeHost, options.host, options.port),
    checkMemory(probeHost),
  ]
}

function describe({ name, state, found, mend }: Finding): string {
  const line = `${state.padEnd(8)} ${name.padEnd(18)} ${printable(found, 1000)}\n`
  return mend === undefined ? line : `${line}${" ".repeat(28)}${mend}\n`
}
