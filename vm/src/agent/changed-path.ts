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
