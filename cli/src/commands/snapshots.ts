import type { Command } from "commander"
import type { Snapshot } from "opensandbox"
import { showByteSize } from "../byte-size.js"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { table } from "../table.js"

export function addSnapshots(program: Command, context: Context): void {
  program
    .command("snapshots")
    .description("list a sandbox's snapshots, the oldest first")
    .argument("<name>", "the sandbox")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nSIZE is the room on disk that the snapshot added. One that is DAMAGED cannot be restored.\n" +
        examples("opensandbox snapshots my-box"),
    )
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).snapshots()
      conclude(context, options, result, ({ snapshots }) => list(snapshots))
    })
}

function list(snapshots: readonly Snapshot[]): string {
  const anyDamaged = snapshots.some(({ damaged }) => damaged)
  return table(
    ["SNAPSHOT", "LABEL", "CREATED", "SIZE", "EXIT", ...(anyDamaged ? ["STATE"] : []), "COMMAND"],
    snapshots.map((each) => [
      each.snapshot_name,
      each.label ?? "",
      each.created_at,
      showByteSize(each.bytes),
      each.exit_code ?? "",
      ...(anyDamaged ? [each.damaged ? "DAMAGED" : "ok"] : []),
      each.command ?? "",
    ]),
  )
}
