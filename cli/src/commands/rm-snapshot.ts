import type { Command } from "commander"
import type { Sandbox } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"

export function addRmSnapshot(program: Command, context: Context): void {
  program
    .command("rm-snapshot")
    .description("delete snapshots; those before and after them stay whole")
    .argument("<name>", "the sandbox")
    .argument("<snapshot...>", 'such as "opensandbox snapshots" lists')
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nStops at the first that cannot be deleted.\n" +
        examples("opensandbox rm-snapshot my-box cmd_1767225600000 before-upgrade"),
    )
    .action(async (name: string, snapshots: string[], options: JsonOption) => {
      const deleted: string[] = []
      const result = await deleteEach(context.connect().sandbox(name), snapshots, (snapshot, message) => {
        deleted.push(snapshot)
        if (options.json !== true) context.stdout(`${message}\n`)
      })
      const outcome = { ...result, deleted }
      conclude(context, options, outcome, () => "")
    })
}

async function deleteEach(
  sandbox: Sandbox,
  snapshots: readonly string[],
  onDeleted: (snapshot: string, message: string) => void,
) {
  for (const snapshot of snapshots) {
    const result = await sandbox.deleteSnapshot(snapshot)
    if (!result.success) return result
    onDeleted(snapshot, result.message)
  }
  return { success: true as const }
}
