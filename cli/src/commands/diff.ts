import type { Command } from "commander"
import type { Change } from "opensandbox"
import { showByteSize } from "../byte-size.js"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { printable } from "../printable.js"

interface DiffOptions extends JsonOption {
  patch?: string
}

/** Linux allows no longer path. */
const maxPathLength = 4096

const letters = { added: "A", changed: "M", removed: "D" } as const

export function addDiff(program: Command, context: Context): void {
  program
    .command("diff")
    .description("list what was added (A), changed (M) and removed (D) between two snapshots")
    .argument("<name>", "the sandbox")
    .argument("<snapshot>", "the earlier one")
    .argument("[snapshot]", "the later one (default: the present)")
    .option("--patch <path>", "show the changes inside this text file instead, as a unified diff")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nA path that is not absolute is in /workspace.\n" +
        examples(
          "opensandbox diff my-box initial",
          "opensandbox diff my-box cmd_1767225600000 cmd_1767225660000 --patch src/index.ts",
        ),
    )
    .action(
      async (name: string, from: string, to: string | undefined, { patch, ...options }: DiffOptions) => {
        const result = await context.connect().sandbox(name).diff(from, to, { patch })
        conclude(context, options, result, (diff) => diff.patch ?? diff.changes.map(describe).join(""))
        if (result.success && result.truncated && result.patch === undefined && options.json !== true) {
          context.stderr("opensandbox: the list was cut, there are more changes\n")
        }
      },
    )
}

/** One line of a list: the letter, the path, and the size, or the type of what has none. */
function describe({ path, change, type, size, previous_size }: Change): string {
  const sizes = [previous_size, size].filter((each) => each !== null).map(showByteSize)
  const what = type === "file" ? [...new Set(sizes)] : [...sizes, type]
  return `${letters[change]} ${printable(path, maxPathLength)}  ${what.join(" -> ")}\n`
}
