import type { Command } from "commander"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { readLocalFile } from "../local-file.js"
import { meter, Progress } from "../progress.js"

export function addImport(program: Command, context: Context): void {
  const command = program
    .command("import")
    .description("make a sandbox from an archive; all of it is verified before anything is made")
    .argument("<name>", "the new sandbox")
    .argument("[file]", 'what "opensandbox export" wrote (default: the standard input)')
    .option(...jsonFlag)
    .addHelpText(
      "after",
      examples("opensandbox import my-box my-box.tar.zst", "opensandbox import my-box < my-box.tar.zst"),
    )
  command.action(async (name: string, file: string | undefined, options: JsonOption) => {
    if (file === undefined && context.isTerminal.stdin) {
      command.error(`error: name the archive: opensandbox import ${name} ${name}.tar.zst`)
    }
    const { content, size } = file === undefined ? { content: context.stdin() } : await readLocalFile(file)
    const progress = new Progress(context, size)
    const result = await context.connect().import(name, content.pipeThrough(meter(progress)))
    progress.end()
    conclude(context, options, result, () => `Created ${name}\n`)
  })
}
