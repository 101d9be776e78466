import { within } from "../deadline.js"
import type { AgentConnection } from "./connection.js"
import type { GuestStream } from "./guest-stream.js"
import { GuestWatch } from "./guest-watch.js"
import { measureDone, packDone, unpackDone, type UnpackDone } from "./directory-messages.js"
import { OutputStream } from "./output-stream.js"

/** A directory that is being packed. */
export interface PackedDirectory {
  /** The tar archive, at the pace of its reader. It fails when it breaks off. */
  readonly archive: ReadableStream<Uint8Array>
  /** Settles, never with an error, when the guest is done with it. */
  readonly over: Promise<void>
}

/** How long the guest may send nothing of a directory that is being packed. */
const patienceMs = 60_000

/**
 * The directories of a guest, each as a whole. A path that is not absolute begins in `/workspace`. Failures are
 * AgentError, with the codes of `agent/protocol.schema.json`, DeadlineError and AgentGoneError.
 */
export class GuestDirectories {
  readonly #agent: Pick<AgentConnection, "ask" | "stream" | "close">

  constructor(agent: Pick<AgentConnection, "ask" | "stream" | "close">) {
    this.#agent = agent
  }

  /** Packs what is in a directory as a tar archive. @param deadlineMs Until its first bytes. */
  async pack(path: string, deadlineMs: number): Promise<PackedDirectory> {
    let begin: () => void = () => undefined
    const begun = new Promise<void>((resolve) => (begin = resolve))
    const output = new OutputStream(patienceMs, () => {
      stream.cancel()
    })
    const stream = this.#agent.stream({ op: "pack", path }, packDone, {
      onStdout: (chunk) => {
        begin()
        return output.push(chunk)
      },
    })
    const over = stream.done.then(
      () => {
        output.end()
      },
      (error: unknown) => {
        output.end(error)
      },
    )
    try {
      await within(deadlineMs, "the beginning of the archive", Promise.race([begun, stream.done]))
      return { archive: output.content, over }
    } catch (error) {
      stream.cancel()
      throw error
    }
  }

  /** How many files, directories and links an archive of a directory would hold now, and the bytes of the files. */
  async measure(path: string, deadlineMs: number): Promise<{ files: number; bytes: number }> {
    const { files, bytes } = await this.#agent.ask({ op: "measure", path }, measureDone, deadlineMs)
    return { files, bytes }
  }

  /**
   * Makes in a directory, and the directory itself, what the tar archive holds that is the stream's input. What came
   * before a failure stays.
   *
   * @param sync Whether the disk is synced after it.
   */
  unpack(path: string, sync: boolean): GuestStream<UnpackDone> {
    return this.#agent.stream({ op: "unpack", path, sync }, unpackDone, {})
  }

  /** Watches a directory or a file. @param deadlineMs Until the watch is in force. */
  async watch(path: string, recursive: boolean, deadlineMs: number): Promise<GuestWatch> {
    const watch = new GuestWatch(this.#agent, path, recursive)
    try {
      await within(deadlineMs, "the beginning of the watch", Promise.race([watch.begun, watch.done]))
      return watch
    } catch (error) {
      watch.cancel()
      throw error
    }
  }
}
