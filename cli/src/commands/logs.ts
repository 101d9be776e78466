import type { Command } from "commander"
import type { Process } from "opensandbox"
import { reportFailure } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { processHints } from "../hints.js"
import { parsePid } from "../options.js"
import { isReaderGone } from "../reader-gone.js"

interface LogsOptions {
  follow?: boolean
}

export function addLogs(program: Command, context: Context): void {
  program
    .command("logs")
    .description("print what a background process of a sandbox has printed, the last 1 MiB of it")
    .argument("<name>", "the sandbox")
    .argument("<pid>", "the process", parsePid)
    .option("-f, --follow", "go on with what it prints, until it ends")
    .addHelpText("after", examples("opensandbox logs my-box 217", "opensandbox logs my-box 217 -f"))
    .action(async (name: string, pid: number, { follow = false }: LogsOptions) => {
      const onSkipped = (bytes: number) => {
        context.stderr(`opensandbox: ${bytes} bytes came faster than they could be read, and are lost\n`)
      }
      const sandbox = context.connect().sandbox(name)
      const attached = await sandbox.attach(pid, { encoding: "buffer", follow, onSkipped })
      const outcome = attached.success ? await print(context, attached.process, follow) : attached
      if (!outcome.success) {
        reportFailure(context, outcome, processHints)
        context.exitWith(exitCodes.failed)
      }
    })
}

/** Prints all output. Where it was followed, it must have come to the process's end. */
async function print(context: Context, process: Process<Uint8Array>, follow: boolean) {
  const stderr = new TextDecoder()
  try {
    for await (const { stream, data } of process.output) {
      if (stream === "stdout") await context.stdoutBytes(data)
      else context.stderr(stderr.decode(data, { stream: true }))
    }
  } catch (error) {
    if (!isReaderGone(error)) throw error
    return { success: true } as const
  }
  return follow ? process.wait() : ({ success: true } as const)
}
