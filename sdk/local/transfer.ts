import type { DownloadResult, DownloadTarResult } from "../directories.js"
import { reason } from "../reason.js"
import { failure, type Failure } from "../results.js"
import { bytesOf, encoded } from "../tar/bytes.js"
import { BadArchive, TarReader } from "../tar/reader.js"
import { localFiles, type LocalFiles } from "./local-files.js"
import { measured, type ArchiveSize } from "./measure.js"
import { archiveOf } from "./pack.js"
import { Meter, type TransferProgress } from "./progress.js"
import { unpackInto } from "./unpack.js"

type OnProgress = ((progress: TransferProgress) => void) | undefined

/** What is in a directory of this machine, as a tar archive; or why it cannot be had. */
export async function localArchive(
  directory: string,
  onProgress: OnProgress,
): Promise<ReadableStream<Uint8Array> | Failure> {
  const files = localFiles()
  if (files === undefined) return noFiles
  try {
    const stats = await files.stat(bytesOf(encoded(directory)))
    if (!stats.isDirectory()) return failure("invalid_request", `"${directory}" is no directory`)
    const total = onProgress === undefined ? undefined : await measured(files, directory)
    return archiveOf(files, directory, new Meter(onProgress, total))
  } catch (error) {
    return failure("invalid_request", `"${directory}" cannot be read: ${reason(error)}`)
  }
}

/** Where a directory of a sandbox is had from. */
interface Remote {
  /** How much is in it; undefined if that cannot be found out. Asked for only where somebody hears of progress. */
  measure: () => Promise<ArchiveSize | undefined>
  archive: () => Promise<DownloadTarResult>
}

/** Makes what an archive holds in a directory of this machine. */
export async function takeLocally(
  { measure, archive }: Remote,
  directory: string,
  onProgress: OnProgress,
): Promise<DownloadResult> {
  const files = localFiles()
  if (files === undefined) return noFiles
  const total = onProgress === undefined ? undefined : await measure()
  const downloaded = await archive()
  if (!downloaded.success) return downloaded
  return unpack(files, directory, downloaded.archive, new Meter(onProgress, total))
}

async function unpack(
  files: LocalFiles,
  directory: string,
  stream: ReadableStream<Uint8Array>,
  meter: Meter,
): Promise<DownloadResult> {
  const archive = new TarReader(stream)
  try {
    await unpackInto(files, directory, archive, meter)
    return { success: true, files: meter.files, bytes: meter.bytes }
  } catch (error) {
    archive.cancel()
    if (error instanceof BadArchive)
      return failure("internal", `What the sandbox sent is refused: ${error.message}`)
    if (error instanceof Error && "syscall" in error)
      return failure("invalid_request", `"${directory}" cannot be written: ${error.message}`)
    return failure("unavailable", reason(error))
  }
}

const noFiles = failure(
  "invalid_request",
  "There is no file system here: transfer a tar archive instead, with uploadTar and downloadTar",
)
