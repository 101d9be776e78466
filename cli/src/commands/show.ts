import { InvalidArgumentError, type Command } from "commander"
import { reportFailure } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { isReaderGone } from "../reader-gone.js"

interface FileInSnapshot {
  snapshot: string
  path: string
}

export function addShow(program: Command, context: Context): void {
  program
    .command("show")
    .description("print a file as it was in a snapshot")
    .argument("<name>", "the sandbox")
    .argument("<snapshot:path>", "the snapshot and the file", parseFileInSnapshot)
    .addHelpText(
      "after",
      "\nA path that is not absolute is in /workspace.\n" +
        examples(
          "opensandbox show my-box cmd_1767225600000:notes.txt",
          "opensandbox show my-box initial:/etc/os-release",
        ),
    )
    .action(async (name: string, { snapshot, path }: FileInSnapshot) => {
      const result = await context.connect().sandbox(name).readAt(snapshot, path)
      if (!result.success) {
        reportFailure(context, result)
        context.exitWith(exitCodes.failed)
        return
      }
      await context.stdoutBytes(result.bytes).catch((error: unknown) => {
        if (!isReaderGone(error)) throw error
      })
    })
}

/** The parts of `SNAPSHOT:PATH`. No snapshot has a colon in its name; a path may. */
function parseFileInSnapshot(text: string): FileInSnapshot {
  const colon = text.indexOf(":")
  if (colon < 1 || colon === text.length - 1) {
    throw new InvalidArgumentError("It has the form SNAPSHOT:PATH, as in initial:/etc/os-release.")
  }
  return { snapshot: text.slice(0, colon), path: text.slice(colon + 1) }
}
