import type { Call, Caller, Content } from "./call.js"
import type { TransferProgress } from "./local/progress.js"
import type { Failure } from "./results.js"
import { hasFields } from "./shapes.js"
import { stringArgument } from "./string-argument.js"
import { Watcher } from "./watcher.js"
import type { DirectorySize, UnpackAnswer } from "./wire-types.js"

const tar = "application/x-tar"

/** How to watch a directory or a file. */
export interface WatchOptions {
  /** Whether also the directories below are watched, 8,000 at most. Default false. */
  recursive?: boolean | undefined
}

/** How to send an archive. */
export interface UploadTarOptions {
  /** Whether a snapshot is taken after it. Default true. */
  snapshot?: boolean | undefined
}

/** How to transfer a directory to or from this machine. */
export interface DownloadOptions {
  /** Called often, with how far the transfer is, and of how much; that is counted first if this is here. */
  onProgress?: ((progress: TransferProgress) => void) | undefined
}

/** How to send a directory of this machine. */
export interface UploadOptions extends UploadTarOptions, DownloadOptions {}

/** What `Files.watch` answers. */
export type WatchResult = { success: true; watcher: Watcher } | Failure

/** What `Files.upload` and `Files.uploadTar` answer: how much was made, and the snapshot taken after it, if any. */
export type UploadResult = ({ success: true } & UnpackAnswer) | Failure

/** What `Files.downloadTar` answers. The stream fails when it breaks off: only one that ends is complete. */
export type DownloadTarResult = { success: true; archive: ReadableStream<Uint8Array> } | Failure

/** What `Files.download` answers: how many files, directories and links were made, and the bytes of the files. */
export type DownloadResult = { success: true; files: number; bytes: number } | Failure

/** The part of `Sandbox.files` that is about whole directories. No method rejects for what the server or the guest does. */
export class Directories {
  readonly #caller: Caller
  readonly #sandbox: string

  constructor(caller: Caller, sandbox: string) {
    this.#caller = caller
    this.#sandbox = sandbox
  }

  /**
   * Watches what happens to the files in a directory, or to one file, from now on, whoever does it. Links in a directory
   * are not followed. A file is watched by its name: what takes its place is watched on, also after it was gone.
   * @param path a relative one begins in /workspace
   * @example
   * const watch = await sandbox.files.watch("src", { recursive: true })
   * if (watch.success) for await (const event of watch.watcher) console.log(event.type, event)
   */
  async watch(path: string, { recursive = false }: WatchOptions = {}): Promise<WatchResult> {
    const query = { path: stringArgument("path", path), recursive: String(recursive) }
    const answer = await this.#caller.stream({ ...this.#request("GET", "watch"), query }, "text/event-stream")
    if (!answer.success) return answer
    const watcher = await Watcher.open(answer.body)
    return watcher instanceof Watcher ? { success: true, watcher } : watcher
  }

  /**
   * Gets what is in a directory as a tar stream, however much it is: files, directories and links with their modes,
   * owners and times.
   * @param path a relative one begins in /workspace
   * @example
   * const download = await sandbox.files.downloadTar("dist")
   * if (download.success) await writeFile("dist.tar", download.archive)
   */
  async downloadTar(path: string): Promise<DownloadTarResult> {
    const query = { path: stringArgument("path", path) }
    const answer = await this.#caller.stream({ ...this.#request("GET", "tar"), query }, tar)
    return answer.success ? { success: true, archive: answer.body } : answer
  }

  /**
   * Makes in a directory, which is made if it is missing, what a tar archive holds, however much it is. It takes the place
   * of files of the same name; others stay. An archive that would reach out of the directory is refused; what came before
   * that was found out stays.
   * @param archive a stream is read to its end, or cancelled; a browser may be able to send only what is no stream
   * @param path a relative one begins in /workspace
   * @example
   * await sandbox.files.uploadTar(await readFile("dist.tar"), "dist", { snapshot: false })
   */
  async uploadTar(
    archive: Content,
    path: string,
    { snapshot = true }: UploadTarOptions = {},
  ): Promise<UploadResult> {
    const query = { path: stringArgument("path", path), ...(!snapshot && { snapshot: "false" }) }
    const answer = await this.#caller.upload(
      { ...this.#request("PUT", "tar"), query },
      archive,
      isUnpackAnswer,
    )
    return answer.success ? { ...answer.body, success: true } : answer
  }

  /**
   * Copies what is in a directory of this machine into one of the sandbox, as one stream. There it belongs to root. Needs
   * a file system, as Node, Bun and Deno have it.
   * @param localDir the directory here
   * @param path the directory in the sandbox, which is made if it is missing; a relative one begins in /workspace
   * @example
   * await sandbox.files.upload("./app", "app", { onProgress: ({ files, bytes }) => console.log(files, bytes) })
   */
  async upload(
    localDir: string,
    path: string,
    { onProgress, ...options }: UploadOptions = {},
  ): Promise<UploadResult> {
    const { localArchive } = await import("./local/transfer.js")
    const archive = await localArchive(stringArgument("localDir", localDir), onProgress)
    return "success" in archive ? archive : this.uploadTar(archive, path, options)
  }

  /**
   * Copies what is in a directory of the sandbox into one of this machine, as one stream. Nothing outside of that is
   * touched, whatever the sandbox sends. Needs a file system, as Node, Bun and Deno have it.
   * @param path the directory in the sandbox; a relative one begins in /workspace
   * @param localDir the directory here, which is made if it is missing
   * @example
   * await sandbox.files.download("dist", "./dist")
   */
  async download(
    path: string,
    localDir: string,
    { onProgress }: DownloadOptions = {},
  ): Promise<DownloadResult> {
    const { takeLocally } = await import("./local/transfer.js")
    const directory = stringArgument("localDir", localDir)
    const remote = { measure: () => this.#measure(path), archive: () => this.downloadTar(path) }
    return takeLocally(remote, directory, onProgress)
  }

  /** How much is in a directory; undefined where that cannot be told, as by an image that is older than this. */
  async #measure(path: string): Promise<DirectorySize | undefined> {
    const query = { path: stringArgument("path", path) }
    const answer = await this.#caller.call({ ...this.#request("GET", "size"), query }, isDirectorySize)
    return answer.success ? answer.body : undefined
  }

  #request(method: Call["method"], what: string): Call {
    return { method, path: ["vms", this.#sandbox, "files", what] }
  }
}

const isDirectorySize = (value: unknown): value is DirectorySize =>
  hasFields<DirectorySize>(value, { files: "number", bytes: "number" })

const isUnpackAnswer = (value: unknown): value is UnpackAnswer =>
  hasFields<UnpackAnswer>(value, { files: "number", bytes: "number", snapshot: "string?" })
