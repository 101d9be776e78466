import type { Command } from "commander"
import type { ProcessInfo } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { table } from "../table.js"

export function addPs(program: Command, context: Context): void {
  program
    .command("ps")
    .description("list a sandbox's background processes: those that run and those that ended last")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox ps my-box"))
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).processes()
      conclude(context, options, result, ({ processes }) => list(processes))
    })
}

function list(processes: readonly ProcessInfo[]): string {
  return table(
    ["PID", "STATE", "STARTED", "COMMAND"],
    processes.map((each) => [each.pid, stateOf(each), each.started_at, each.command]),
  )
}

function stateOf({ running, exitCode, signal }: ProcessInfo): string {
  return running ? "running" : (signal ?? `exit ${exitCode ?? "?"}`)
}
