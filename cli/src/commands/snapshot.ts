import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { labelHints } from "../hints.js"

interface SnapshotOptions extends JsonOption {
  label?: string
  memory?: true
}

export function addSnapshot(program: Command, context: Context): void {
  program
    .command("snapshot")
    .description("take a snapshot by hand")
    .argument("<name>", "the sandbox")
    .option("--label <label>", "a name for it, which works wherever a snapshot's name does")
    .option("--memory", "take one of the whole machine: a restore brings its processes back, too")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples(
        "opensandbox snapshot my-box --label before-upgrade",
        "opensandbox restore my-box before-upgrade",
        "opensandbox snapshot my-box --label server-runs --memory",
      ),
    )
    .action(async (name: string, { label, memory, ...options }: SnapshotOptions) => {
      const result = await context.connect().sandbox(name).snapshot(label, { memory })
      conclude(context, options, result, ({ snapshot }) => `Took ${snapshot.snapshot_name}\n`, labelHints)
    })
}
