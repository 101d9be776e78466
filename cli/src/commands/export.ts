import type { Command } from "commander"
import { reportFailure } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { Progress } from "../progress.js"

interface ExportOptions {
  snapshot?: string
  withoutImage?: true
}

export function addExport(program: Command, context: Context): void {
  const command = program
    .command("export")
    .description(
      "write a sandbox to the standard output, as an archive (tar.zst) from which import makes another",
    )
    .argument("<name>", "the sandbox")
    .option("--snapshot <snapshot>", "write it as it was in this snapshot (default: the present)")
    .option("--without-image", "leave out the image, for a server that has the same one")
    .addHelpText(
      "after",
      examples(
        "opensandbox export my-box > my-box.tar.zst",
        "opensandbox export my-box | OPENSANDBOX_BASE_URL=http://other:4000 opensandbox import my-box",
      ),
    )
  command.action(async (name: string, { snapshot, withoutImage }: ExportOptions) => {
    if (context.isTerminal.stdout) {
      command.error(`error: an archive is not for a terminal: opensandbox export ${name} > ${name}.tar.zst`)
    }
    const result = await context
      .connect()
      .sandbox(name)
      .export({ snapshot, image: withoutImage !== true })
    if (result.success) await write(context, result.archive)
    else {
      reportFailure(context, result)
      context.exitWith(exitCodes.failed)
    }
  })
}

async function write(context: Context, archive: ReadableStream<Uint8Array>): Promise<void> {
  const progress = new Progress(context)
  const output = new WritableStream<Uint8Array>({
    write: async (chunk) => {
      await context.stdoutBytes(chunk)
      progress.add(chunk.byteLength)
    },
  })
  try {
    await archive.pipeTo(output)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`the archive is incomplete and of no use, export again: ${reason}`, { cause })
  } finally {
    progress.end()
  }
}
