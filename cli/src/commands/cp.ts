import { basename } from "node:path"
import type { Command } from "commander"
import { conclude, jsonFlag, reportFailure, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { parseGuestPath, type GuestPath } from "../guest-path.js"
import { localTarget, readLocalFile, writeLocalFile } from "../local-file.js"
import { meter, Progress } from "../progress.js"
import { isReaderGone } from "../reader-gone.js"
import { copyDirectoryIn, copyDirectoryOut } from "./cp-directory.js"

interface CpOptions extends JsonOption {
  recursive?: true
  snapshot: boolean
}

export function addCp(program: Command, context: Context): void {
  const command = program
    .command("cp")
    .description("copy a file or a directory into a sandbox or out of it; a snapshot follows what goes in")
    .argument("<from>", 'a local file, NAME:PATH in a sandbox, or "-" for the standard input')
    .argument("<to>", 'NAME:PATH in a sandbox, a local file or directory, or "-" for the standard output')
    .option("-r, --recursive", "copy what is in a directory, as one stream")
    .option("--no-snapshot", "take no snapshot")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nA path in a sandbox that is not absolute is in /workspace; one that is empty or ends with a slash is a directory,\n" +
        "in which the file keeps its name. A file that is replaced keeps its mode.\n" +
        examples(
          "opensandbox cp data.csv my-box:",
          "opensandbox cp -r src my-box:project/src",
          "opensandbox cp my-box:out/result.json .",
          "tar c src | opensandbox cp - my-box:src.tar",
        ),
    )
  command.action(async (from: string, to: string, options: CpOptions) => {
    const [source, target] = [parseGuestPath(from), parseGuestPath(to)]
    if (options.recursive === true && (from === "-" || to === "-"))
      command.error('error: a directory is copied from a directory and to one, not "-"')
    if (from === "-" && target !== undefined && isDirectory(target.path))
      command.error(`error: name the file: opensandbox cp - ${to}NAME`)
    const [copyInto, copyFrom] =
      options.recursive === true ? [copyDirectoryIn, copyDirectoryOut] : [copyIn, copyOut]
    if (source === undefined && target !== undefined) await copyInto(context, from, target, options)
    else if (source !== undefined && target === undefined) await copyFrom(context, source, to, options)
    else command.error('error: one of the two is a file in a sandbox, as in "my-box:notes.txt"')
  })
}

async function copyIn(
  context: Context,
  from: string,
  { sandbox, path }: GuestPath,
  options: CpOptions,
): Promise<void> {
  const target = isDirectory(path) ? path + basename(from) : path
  const { content, size } = from === "-" ? { content: context.stdin() } : await readLocalFile(from)
  const progress = new Progress(context, size)
  const how = options.snapshot ? {} : { snapshot: false }
  const { files } = context.connect().sandbox(sandbox)
  const result = await files.write(target, content.pipeThrough(meter(progress)), how)
  progress.end()
  conclude(context, options, result, () => `Copied to ${sandbox}:${target}\n`)
}

const isDirectory = (path: string) => path === "" || path.endsWith("/")

async function copyOut(
  context: Context,
  { sandbox, path }: GuestPath,
  to: string,
  { json }: CpOptions,
): Promise<void> {
  const { files } = context.connect().sandbox(sandbox)
  const result = await files.read(path, { encoding: "stream" })
  if (!result.success) {
    if (json === true) context.stdout(`${JSON.stringify(result)}\n`)
    else reportFailure(context, result)
    context.exitWith(exitCodes.failed)
    return
  }
  const stat = context.isTerminal.stderr ? await files.stat(path) : undefined
  const progress = new Progress(context, stat?.success === true ? stat.file.size : undefined)
  const content = result.content.pipeThrough(meter(progress))
  if (to === "-") {
    await print(context, content).finally(() => {
      progress.end()
    })
    return
  }
  const target = await localTarget(to, path)
  await writeLocalFile(target, content).finally(() => {
    progress.end()
  })
  context.stdout(
    json === true ? `${JSON.stringify({ success: true, path: target })}\n` : `Copied to ${target}\n`,
  )
}

/** Writes content to the standard output, as far as its reader wants it. */
async function print(context: Context, content: ReadableStream<Uint8Array>): Promise<void> {
  const output = new WritableStream<Uint8Array>({ write: (chunk) => context.stdoutBytes(chunk) })
  await content.pipeTo(output).catch((error: unknown) => {
    if (!isReaderGone(error)) throw error
  })
}
