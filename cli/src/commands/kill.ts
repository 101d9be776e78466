import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { processHints } from "../hints.js"
import { parsePid } from "../options.js"

interface KillOptions extends JsonOption {
  signal: string
}

export function addKill(program: Command, context: Context): void {
  program
    .command("kill")
    .description("send a signal to a background process of a sandbox")
    .argument("<name>", "the sandbox")
    .argument("<pid>", "the process", parsePid)
    .option(
      "-s, --signal <signal>",
      "as in SIGINT or INT; KILL ends everything that it started",
      signalName,
      "SIGTERM",
    )
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples("opensandbox kill my-box 217", "opensandbox kill my-box 217 --signal KILL"),
    )
    .action(async (name: string, pid: number, options: KillOptions) => {
      const attached = await context.connect().sandbox(name).attach(pid)
      const result = attached.success ? await attached.process.kill(options.signal) : attached
      conclude(context, options, result, ({ message }) => `${message}\n`, processHints)
    })
}

const signalName = (text: string) => `SIG${text.toUpperCase().replace(/^SIG/, "")}`
