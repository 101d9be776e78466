import type { Command } from "commander"
import type { WatchEvent } from "opensandbox"
import { conclude, jsonFlag, reportFailure, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { printable } from "../printable.js"
import { isReaderGone } from "../reader-gone.js"

interface WatchOptions extends JsonOption {
  recursive?: true
}

/** A path on one line of its own is shown whole. */
const maxPath = 8192

export function addWatch(program: Command, context: Context): void {
  program
    .command("watch")
    .description("print what happens to the files in a directory, or to one file, until it is interrupted")
    .argument("<name>", "the sandbox")
    .argument(
      "[path]",
      "the directory or file; one that is not absolute is in /workspace (default: /workspace)",
    )
    .option("-r, --recursive", "watch the directories below too, 8,000 at most")
    .option(jsonFlag[0], "print one JSON document a line, for a failure too")
    .addHelpText(
      "after",
      examples("opensandbox watch my-box --recursive", "opensandbox watch my-box src --json | jq .path"),
    )
    .action(async (name: string, path: string | undefined, options: WatchOptions) => {
      const { files } = context.connect().sandbox(name)
      const result = await files.watch(path ?? ".", { recursive: options.recursive })
      if (!result.success) {
        conclude(context, options, result, () => "")
        return
      }
      const { watcher } = result
      context.onStopSignal(() => {
        watcher.close()
      })
      const line = options.json === true ? JSON.stringify : lineOf
      try {
        for await (const event of watcher) await context.stdoutBytes(Buffer.from(`${line(event)}\n`))
      } catch (error) {
        if (!isReaderGone(error)) throw error
        return
      }
      if (watcher.failure === undefined) return
      if (options.json === true) context.stdout(`${JSON.stringify(watcher.failure)}\n`)
      else reportFailure(context, watcher.failure)
      context.exitWith(exitCodes.failed)
    })
}

function lineOf(event: WatchEvent): string {
  if (event.type === "overflow") return "overflow  events were lost: look again at what matters"
  const path = printable(event.path, maxPath)
  return `${event.type}  ${event.type === "rename" ? `${path} -> ${printable(event.to, maxPath)}` : path}`
}
