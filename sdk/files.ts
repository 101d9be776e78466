import type { Call, Caller, Content } from "./call.js"
import { maxFileDepth } from "./contract/limits.js"
import { Directories } from "./directories.js"
import { readWhole } from "./read-whole.js"
import type { Failure } from "./results.js"
import { isFileInfo, isFileList, isFilesChanged } from "./shapes.js"
import { stringArgument } from "./string-argument.js"
import type { FileInfo } from "./wire-types.js"

/** What `Files.read` answers; `content` is text unless other encoding was asked for. */
export type ReadFileResult<T> = { success: true; content: T } | Failure

/** What `Files.stat` answers. */
export type StatResult = { success: true; file: FileInfo } | Failure

/** What `Files.exists` answers. */
export type ExistsResult = { success: true; exists: boolean } | Failure

/** What `Files.list` answers; `truncated` tells whether there is more than `files` holds, which is 10,000 at most. */
export type ListFilesResult = { success: true; files: FileInfo[]; truncated: boolean } | Failure

/** What all methods answer that change files; `snapshot` names the one taken after it, null when none was to be taken. */
export type FilesChangedResult = { success: true; snapshot: string | null } | Failure

/** Which part of a file is read. */
export interface ReadFileOptions {
  /** The first byte. Default 0. */
  offset?: number | undefined
  /** The most bytes. Default: to the file's end. */
  length?: number | undefined
}

/** Whether a snapshot follows a change. */
export interface ChangeOptions {
  /** Default true. Without one the change is part of the next that is taken. */
  snapshot?: boolean | undefined
}

/** What a file shall have. */
export interface FileAttributes {
  /** The permission bits in octal digits, as in `"644"`. */
  mode?: string | undefined
  /** As chown takes it: `"node"`, `"node:node"` or `"1000:1000"`. */
  owner?: string | undefined
}

/** Whether what has the new name is replaced. */
export interface ReplaceOptions extends ChangeOptions {
  /** Default false: it is left alone, with the failure `already_exists`. A directory that holds something always is. */
  overwrite?: boolean | undefined
}

/**
 * The files of a sandbox, as its commands see them. A path that is not absolute begins in /workspace. No method rejects
 * for what the server, the network or the sandbox does. A link is followed, except by `remove`, `rename` and `copy`,
 * which take the link itself.
 */
export class Files extends Directories {
  readonly #caller: Caller
  readonly #sandbox: string

  constructor(caller: Caller, sandbox: string) {
    super(caller, sandbox)
    this.#caller = caller
    this.#sandbox = sandbox
  }

  /**
   * Reads a file: as text, decoded as UTF-8; as bytes; or as a stream, for what is larger than 128 MiB. A stream fails
   * when it breaks off or nothing comes for a minute: only one that ends is complete.
   * @param options.encoding `"text"`, the default, `"bytes"` or `"stream"`
   * @example
   * const read = await sandbox.files.read("package.json")
   * if (read.success) console.log(JSON.parse(read.content).name)
   */
  read(path: string, options?: ReadFileOptions & { encoding?: "text" }): Promise<ReadFileResult<string>>
  read(
    path: string,
    options: ReadFileOptions & { encoding: "bytes" },
  ): Promise<ReadFileResult<Uint8Array<ArrayBuffer>>>
  read(
    path: string,
    options: ReadFileOptions & { encoding: "stream" },
  ): Promise<ReadFileResult<ReadableStream<Uint8Array>>>
  async read(
    path: string,
    options: ReadFileOptions & { encoding?: "text" | "bytes" | "stream" } = {},
  ): Promise<ReadFileResult<string | Uint8Array | ReadableStream<Uint8Array>>> {
    const { encoding = "text", offset, length } = options
    const query = { path: stringArgument("path", path), offset: text(offset), length: text(length) }
    const answer = await this.#caller.stream({ ...this.#request("GET"), query }, "application/octet-stream")
    if (!answer.success) return answer
    if (encoding === "stream") return { success: true, content: answer.body }
    const whole = await readWhole(answer.body)
    if (!whole.success || encoding === "bytes") return whole
    const content = new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole.content)
    return { success: true, content }
  }

  /**
   * Writes a file, of any length, and makes the directories above it that are missing. It is replaced at once, when all
   * of the content is there: who reads it sees the old or the new, and a write that fails leaves the old. A file that
   * is replaced keeps its mode and owner; a new one has mode 644 and belongs to root.
   * @param content a stream is read to its end, or cancelled; a browser may be able to send only what is no stream
   * @example
   * await sandbox.files.write("src/main.py", "print('hello')\n")
   * await sandbox.files.write("/usr/local/bin/tool", bytes, { mode: "755" })
   */
  write(
    path: string,
    content: string | Content,
    options: ChangeOptions & FileAttributes = {},
  ): Promise<FilesChangedResult> {
    return this.#put(path, content, options)
  }

  /**
   * Adds to the end of a file, which is made if it is missing. Nothing is added before all of the content is there.
   * @example
   * await sandbox.files.append("log.txt", "done\n", { snapshot: false })
   */
  append(
    path: string,
    content: string | Content,
    options: ChangeOptions & FileAttributes = {},
  ): Promise<FilesChangedResult> {
    return this.#put(path, content, options, "true")
  }

  /**
   * What a directory holds, each directory right before what is in it, by name; at most 10,000 of it.
   * @param options.depth how many levels; default 1, `Infinity` for all
   * @example
   * const listed = await sandbox.files.list("src", { depth: Infinity })
   * if (listed.success) for (const { path, size } of listed.files) console.log(path, size)
   */
  async list(path = ".", options: { depth?: number | undefined } = {}): Promise<ListFilesResult> {
    const depth = options.depth === Number.POSITIVE_INFINITY ? maxFileDepth : options.depth
    const query = { path: stringArgument("path", path), depth: text(depth) }
    const answer = await this.#caller.call({ ...this.#request("GET", "list"), query }, isFileList)
    if (!answer.success) return answer
    return { success: true, files: answer.body.entries, truncated: answer.body.truncated }
  }

  /**
   * What a file is: its type, size, mode, owner and time.
   * @example
   * const stat = await sandbox.files.stat("build/app")
   * if (stat.success) console.log(stat.file.size, stat.file.modified_at)
   */
  async stat(path: string): Promise<StatResult> {
    const query = { path: stringArgument("path", path) }
    const answer = await this.#caller.call({ ...this.#request("GET", "stat"), query }, isFileInfo)
    return answer.success ? { success: true, file: answer.body } : answer
  }

  /**
   * Whether there is a file, a directory, or anything else by that path.
   * @example
   * const found = await sandbox.files.exists("node_modules")
   * if (found.success && !found.exists) await sandbox.run("npm ci", 600)
   */
  async exists(path: string): Promise<ExistsResult> {
    const stat = await this.stat(path)
    if (stat.success) return { success: true, exists: true }
    // Without a field it is the sandbox that does not exist.
    if (stat.code === "not_found" && stat.field === "path") return { success: true, exists: false }
    return stat
  }

  /**
   * Makes a directory, and those above it that are missing. Fails with `already_exists` where something has its name.
   * @example
   * await sandbox.files.mkdir("data/raw", { owner: "node" })
   */
  mkdir(path: string, options: ChangeOptions & FileAttributes = {}): Promise<FilesChangedResult> {
    return this.#post("mkdir", { path: stringArgument("path", path), ...options })
  }

  /**
   * Removes a file, a link but not what it leads to, or an empty directory.
   * @param options.recursive whether a directory is removed with all that is in it; default false
   * @example
   * await sandbox.files.remove("build", { recursive: true })
   */
  async remove(
    path: string,
    options: ChangeOptions & { recursive?: boolean | undefined } = {},
  ): Promise<FilesChangedResult> {
    const query = {
      path: stringArgument("path", path),
      recursive: text(options.recursive),
      snapshot: text(options.snapshot),
    }
    const call = { ...this.#request("DELETE"), ...longChange, query }
    return changed(await this.#caller.call(call, isFilesChanged))
  }

  /**
   * Gives a file, a directory or a link another name, also in another directory; those above it that are missing are made.
   * @example
   * await sandbox.files.rename("draft.md", "docs/final.md", { overwrite: true })
   */
  rename(from: string, to: string, options: ReplaceOptions = {}): Promise<FilesChangedResult> {
    return this.#post("rename", fromTo(from, to, options))
  }

  /**
   * Copies a file, or a directory with all that is in it, with modes, owners and times. Until it is complete, nothing has
   * the new name.
   * @example
   * await sandbox.files.copy("config.example.json", "config.json")
   */
  copy(from: string, to: string, options: ReplaceOptions = {}): Promise<FilesChangedResult> {
    return this.#post("copy", fromTo(from, to, options))
  }

  /**
   * Sets the mode or the owner of a file, or both.
   * @example
   * await sandbox.files.setAttributes("run.sh", { mode: "755" })
   */
  setAttributes(path: string, attributes: FileAttributes & ChangeOptions): Promise<FilesChangedResult> {
    return this.#post("attributes", { path: stringArgument("path", path), ...attributes })
  }

  async #put(
    path: string,
    content: string | Content,
    { mode, owner, snapshot }: ChangeOptions & FileAttributes,
    append?: "true",
  ): Promise<FilesChangedResult> {
    const query = { path: stringArgument("path", path), append, mode, owner, snapshot: text(snapshot) }
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    return changed(await this.#caller.upload({ ...this.#request("PUT"), query }, bytes, isFilesChanged))
  }

  async #post(what: string, body: object): Promise<FilesChangedResult> {
    const call = { ...this.#request("POST", what), ...longChange, body }
    return changed(await this.#caller.call(call, isFilesChanged))
  }

  #request(method: Call["method"], ...below: string[]): Call {
    return { method, path: ["vms", this.#sandbox, "files", ...below] }
  }
}

/** Large directories take their time: a little longer than the server gives them. */
const longChange = { eventStream: true, deadlineMs: 32 * 60_000 } as const

const fromTo = (from: string, to: string, options: ReplaceOptions) => ({
  from: stringArgument("from", from),
  to: stringArgument("to", to),
  ...options,
})

const text = (value: number | boolean | undefined) => (value === undefined ? undefined : String(value))

function changed(answer: { success: true; body: { snapshot: string | null } } | Failure): FilesChangedResult {
  return answer.success ? { success: true, snapshot: answer.body.snapshot } : answer
}
