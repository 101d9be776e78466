import { basename, resolve } from "node:path"
import type { TransferProgress } from "opensandbox"
import { conclude, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import type { GuestPath } from "../guest-path.js"
import { localTarget } from "../local-file.js"
import { Progress } from "../progress.js"

/** Copies what is in a local directory into one of a sandbox. */
export async function copyDirectoryIn(
  context: Context,
  from: string,
  { sandbox, path }: GuestPath,
  options: JsonOption & { snapshot: boolean },
): Promise<void> {
  const target = path === "" || path.endsWith("/") ? path + basename(resolve(from)) : path
  const progress = new Progress(context)
  const { files } = context.connect().sandbox(sandbox)
  const how = { snapshot: options.snapshot, onProgress: shownBy(progress, context) }
  const result = await files.upload(from, target, how)
  progress.end()
  conclude(context, options, result, (copied) => `Copied ${countOf(copied)} to ${sandbox}:${target}\n`)
}

/** Copies what is in a directory of a sandbox into a local one. */
export async function copyDirectoryOut(
  context: Context,
  { sandbox, path }: GuestPath,
  to: string,
  options: JsonOption,
): Promise<void> {
  const target = await localTarget(to, path)
  const progress = new Progress(context)
  const { files } = context.connect().sandbox(sandbox)
  const result = await files.download(path === "" ? "." : path, target, {
    onProgress: shownBy(progress, context),
  })
  progress.end()
  conclude(context, options, result, (copied) => `Copied ${countOf(copied)} to ${target}\n`)
}

const countOf = ({ files }: { files: number }) => (files === 1 ? "1 file" : `${files} files`)

/** Shows how far a transfer is. Nothing is counted for it where nobody sees it. */
function shownBy(progress: Progress, { isTerminal }: Context): ((now: TransferProgress) => void) | undefined {
  if (!isTerminal.stderr) return undefined
  let shown = 0
  return ({ bytes, totalBytes }) => {
    progress.total = totalBytes
    progress.add(bytes - shown)
    shown = bytes
  }
}
