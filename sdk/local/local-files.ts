/** Bytes, because a name need not be UTF-8. */
type Path = Uint8Array

/** What a file system says of a file. */
export interface LocalStats {
  mode: number
  size: number
  mtimeMs: number
  nlink: number
  dev: number
  ino: number
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

/** An open file. */
export interface LocalFile {
  stat(): Promise<LocalStats>
  /** Reads from where it is to the next place. */
  read(into: Uint8Array, offset: number, length: number): Promise<{ bytesRead: number }>
  write(bytes: Uint8Array): Promise<{ bytesWritten: number }>
  chmod(mode: number): Promise<void>
  utimes(atime: number, mtime: number): Promise<void>
  close(): Promise<void>
}

/** What is used of the module `node:fs/promises`. */
export interface LocalFiles {
  readdir(path: Path, options: { encoding: "buffer" }): Promise<Uint8Array[]>
  lstat(path: Path): Promise<LocalStats>
  stat(path: Path): Promise<LocalStats>
  readlink(path: Path, options: { encoding: "buffer" }): Promise<Uint8Array>
  open(path: Path, flags: string, mode?: number): Promise<LocalFile>
  mkdir(path: Path, options: { mode?: number; recursive?: boolean }): Promise<unknown>
  symlink(target: Path, path: Path): Promise<void>
  link(existing: Path, path: Path): Promise<void>
  unlink(path: Path): Promise<void>
  chmod(path: Path, mode: number): Promise<void>
  utimes(path: Path, atime: number, mtime: number): Promise<void>
  lutimes(path: Path, atime: number, mtime: number): Promise<void>
}

interface Host {
  process?: {
    platform?: string
    /** Does what an import would, but without a bundler for browsers stumbling over it. */
    getBuiltinModule?: (name: string) => unknown
  }
}

/** The files of this machine; undefined where there are none, as in a browser. */
export const localFiles = (): LocalFiles | undefined =>
  (globalThis as Host).process?.getBuiltinModule?.("node:fs/promises") as LocalFiles | undefined

/** Whether a backslash and a colon mean something in a path. */
export const isWindows = (): boolean => (globalThis as Host).process?.platform === "win32"

/** Whether a call to the file system failed for this reason, as in `ENOENT`. */
export const failedWith = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code
