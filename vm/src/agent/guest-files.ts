import type { z } from "zod"
import { within } from "../deadline.js"
import type { FileState } from "./changed-path.js"
import type { AgentConnection } from "./connection.js"
import { AgentError, ProtocolError } from "./errors.js"
import type { GuestStream } from "./guest-stream.js"
import { JsonLines } from "./json-lines.js"
import {
  fileOpened,
  filesChanged,
  listDone,
  listEntry,
  statDone,
  type FileChange,
  type FilesChanged,
} from "./file-messages.js"
import { readDone } from "./messages.js"
import { OutputStream } from "./output-stream.js"

/** Something in a directory. */
export interface ListedFile {
  /** Relative to the directory that was listed. For names that are not UTF-8 see `ChangedPath`. */
  readonly path: string
  readonly state: FileState
}

/** Which part of a file is read. */
export interface FileRange {
  /** The first byte. */
  readonly offset: number
  /** The most bytes; to the file's end when left out. */
  readonly length?: number | undefined
}

/** A file that is being read. */
export interface OpenFile {
  /** In bytes, by what the file system says. */
  readonly size: number
  /** The part that was asked for, at the pace of its reader. It fails when it breaks off. */
  readonly content: ReadableStream<Uint8Array>
  /** Settles, never with an error, when the guest is done with it. */
  readonly over: Promise<void>
}

/** A change of files that the guest works on; the input of a `writeFile` is the new content. */
export type GuestChange = GuestStream<FilesChanged>

/** How long the guest may send nothing of a file that is being read. */
const patienceMs = 60_000

/**
 * The files of a guest, as its programs see them. A path that is not absolute begins in `/workspace`; names that are not
 * UTF-8 are as in `ChangedPath`. Failures are AgentError, with the codes of `agent/protocol.schema.json`, DeadlineError
 * and AgentGoneError.
 */
export class GuestFiles {
  readonly #agent: Pick<AgentConnection, "ask" | "download" | "stream">

  constructor(agent: Pick<AgentConnection, "ask" | "download" | "stream">) {
    this.#agent = agent
  }

  /** What a file is; a link is followed. */
  async stat(path: string, deadlineMs: number): Promise<FileState> {
    const { state } = await this.#agent.ask({ op: "stat", path }, statDone, deadlineMs)
    return state
  }

  /**
   * Lists a directory: each in it right before what that holds itself, names in the order of their bytes.
   *
   * @param depth How many levels, 1 to 2048.
   * @param limit The most entries, 1 to 1,000,000; `truncated` says that there may be more after them.
   */
  async list(
    path: string,
    { depth, limit }: { depth: number; limit: number },
    deadlineMs: number,
  ): Promise<{ entries: ListedFile[]; truncated: boolean }> {
    const lines = new JsonLines<z.infer<typeof listEntry>>(listEntry, limit)
    const { truncated } = await this.#agent.download(
      { op: "list", path, depth, limit },
      listDone,
      (bytes) => {
        lines.push(bytes)
      },
      deadlineMs,
    )
    return { entries: lines.items, truncated }
  }

  /** Opens a regular file to be read; a link is followed. */
  async read(path: string, { offset, length }: FileRange, deadlineMs: number): Promise<OpenFile> {
    let received = 0
    let opened: (size: number) => void = () => undefined
    const size = new Promise<number>((resolve) => {
      opened = resolve
    })
    const output = new OutputStream(patienceMs, () => {
      stream.cancel()
    })
    const stream = this.#agent.stream({ op: "readFile", path, offset, length }, readDone, {
      onEvent: (event) => {
        opened(fileOpened.parse(event).size)
      },
      onStdout: (chunk) => {
        received += chunk.length
        if (length === undefined || received <= length) return output.push(chunk)
        output.end(new ProtocolError("more of a file than was asked for"))
        stream.cancel()
        return undefined
      },
    })
    const over = stream.done.then(
      (done) => {
        const lost = `the guest sent ${done.size} bytes of the file, of which ${received} came`
        output.end(done.size === received ? undefined : new AgentError("io", lost))
      },
      (error: unknown) => {
        output.end(error)
      },
    )
    try {
      const failed = stream.done.then(() => size)
      return {
        size: await within(deadlineMs, "the opening of the file", Promise.race([size, failed])),
        content: output.content,
        over,
      }
    } catch (error) {
      stream.cancel()
      throw error
    }
  }

  /**
   * Changes files. The input of a `writeFile` is the new content; until that has ended nothing has changed. What is
   * cancelled before it is done changes nothing, but for a removal, which goes on.
   */
  change(request: FileChange): GuestChange {
    return this.#agent.stream(request, filesChanged, {})
  }
}
