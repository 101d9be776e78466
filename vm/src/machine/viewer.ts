import type { ChangedPath } from "../agent/changed-path.js"

/**
 * A machine that shows the files of a disk as they were when a layer was sealed, and runs nothing of what is on it.
 * What is asked of it fails with an AgentError, AgentGoneError or DeadlineError.
 */
export interface Viewer {
  /** Settles when the machine is gone, whatever the reason. */
  readonly closed: Promise<void>
  /**
   * Lists what differs from the image's base: each directory right before what is in it, names in the order of their
   * bytes. Directories are listed also when only something in them differs.
   *
   * @param limit The most paths to answer; `truncated` says that there may be more after them.
   */
  changes(limit: number): Promise<{ changes: ChangedPath[]; truncated: boolean }>
  /**
   * Reads a regular file.
   *
   * @param path Relative to `/workspace` when it does not begin with a slash. Links are followed inside the disk.
   * @param limit The most bytes that the file may have.
   * @throws AgentError with code `not_found`, `not_a_file` or `too_large`.
   */
  read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>>
  /** The SHA-256 of each path's content in hexadecimal; null for what is no regular file. Links are not followed. */
  digest(paths: readonly string[]): Promise<(string | null)[]>
  /** Ends the machine. */
  close(): Promise<void>
}
