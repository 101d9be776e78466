/** Bytes of the blocks that an archive is made of. */
export const blockBytes = 512

/** How many bytes fill the last block of a content of that size. */
export const paddingOf = (size: number): number => -size & (blockBytes - 1)

/** What an archive says of one file. */
export interface TarEntry {
  /** Where it is below the archive's directory; a character for each byte. */
  path: string
  /** A `hardlink` is another name of a file that came before. */
  type: "file" | "directory" | "symlink" | "hardlink"
  /** The permission bits. */
  mode: number
  /** The content's bytes; 0 for all but files. */
  size: number
  /** Seconds since the epoch. */
  mtime: number
  /** A link's target; a character for each byte. "" for what is no link. */
  target: string
}

/** The types as archives have them. */
export const typeFlags = { file: "0", hardlink: "1", symlink: "2", directory: "5" } as const
