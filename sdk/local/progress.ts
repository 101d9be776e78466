/** How far the transfer of a directory is. */
export interface TransferProgress {
  /** Files, directories and links that have been begun. */
  files: number
  /** Bytes of files that have passed. */
  bytes: number
}

/** Counts what passes. */
export class Meter {
  files = 0
  bytes = 0
  readonly #listener: ((progress: TransferProgress) => void) | undefined

  constructor(listener: ((progress: TransferProgress) => void) | undefined) {
    this.#listener = listener
  }

  add(files: number, bytes: number): void {
    this.files += files
    this.bytes += bytes
    this.#listener?.({ files: this.files, bytes: this.bytes })
  }
}
