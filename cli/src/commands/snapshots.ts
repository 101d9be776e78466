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
        "A machine's has memory and processes; one that is DEGRADED has lost them, and its files are whole.\n" +
        examples("opensandbox snapshots my-box"),
    )
    .action(async (name: string, options: JsonOption) => {
      const result = await context.connect().sandbox(name).snapshots()
      conclude(context, options, result, ({ snapshots }) => list(snapshots))
    })
}

function list(snapshots: readonly Snapshot[]): string {
  const anyUnsound = snapshots.some(({ damaged, degraded }) => damaged || degraded)
  return table(
    ["SNAPSHOT", "LABEL", "KIND", "CREATED", "SIZE", "EXIT", ...(anyUnsound ? ["STATE"] : []), "COMMAND"],
    snapshots.map((each) => [
      each.snapshot_name,
      each.label ?? "",
      each.kind,
      each.created_at,
      showByteSize(each.bytes),
      each.exit_code ?? "",
      ...(anyUnsound ? [stateOf(each)] : []),
      each.command ?? "",
    ]),
  )
}

function stateOf({ damaged, degraded }: Snapshot): string {
  if (damaged) return "DAMAGED"
  return degraded ? "DEGRADED" : "ok"
}
