import type { ArchiveSize } from "./measure.js"

/** How far the transfer of a directory is. */
export interface TransferProgress {
  /** Files, directories and links that have been begun. */
  files: number
  /** Bytes of files that have passed. */
  bytes: number
  /** How many `files` there were in all at the beginning; left out where that could not be found out. */
  totalFiles?: number
  /** How many `bytes` there were in all at the beginning; left out where that could not be found out. */
  totalBytes?: number
}

/** Counts what passes. */
export class Meter {
  files = 0
  bytes = 0
  readonly #listener: ((progress: TransferProgress) => void) | undefined
  readonly #totals: Pick<TransferProgress, "totalFiles" | "totalBytes">

  constructor(listener: ((progress: TransferProgress) => void) | undefined, total: ArchiveSize | undefined) {
    this.#listener = listener
    this.#totals = total === undefined ? {} : { totalFiles: total.files, totalBytes: total.bytes }
  }

  add(files: number, bytes: number): void {
    this.files += files
    this.bytes += bytes
    this.#listener?.({ files: this.files, bytes: this.bytes, ...this.#totals })
  }
}
