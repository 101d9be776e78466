/** What the file system says of a file. Owners and modes are numbers as in stat(2), times nanoseconds since the epoch. */
export interface FileState {
  /** Regular file, directory, symbolic link, or something else: a device, a socket, a named pipe. */
  readonly type: "f" | "d" | "l" | "o"
  /** The permission bits, with set-user-id and the like. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In bytes. */
  readonly size: number
  readonly mtimeNs: string
  readonly ctimeNs: string
  readonly ino: string
  /** Of a symbolic link only. */
  readonly target?: string
}

/** A path at which a disk may differ from the image's base. */
export interface ChangedPath {
  /**
   * Absolute. Names that are not UTF-8 have a private code point, U+EF80 to U+EFFF, in the place of each byte that does
   * not fit; a viewer takes such a path as it gave it.
   */
  readonly path: string
  /** In the base; null when it is not there. */
  readonly was: FileState | null
  /** On the disk; null when it is not there. */
  readonly now: FileState | null
}

/**
 * A machine that shows the files of a disk as they were when a layer was sealed, and runs nothing of what is on it.
 * What is asked of it fails with an AgentError, AgentGoneError or DeadlineError.
 */
export interface Viewer {
  /** Settles when the machine is gone, whatever the reason. */
  readonly closed: Promise<void>
  /**
   * Lists what differs from the image's base: each directory before what is in it, names in the order of their bytes.
   * Directories are listed also when only something in them differs.
   *
   * @param limit The most paths to answer; `truncated` says that there are more.
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
