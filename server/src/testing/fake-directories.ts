import type { WatchEvent } from "@opensandbox/vm"
import type {
  DirectoryService,
  DirectorySize,
  DirectoryWatch,
  Unpacked,
} from "../directories/directory-service.js"
import { Failure } from "../failure.js"

/** The directories of a sandbox without a machine. An archive is any text; what is asked is kept as it came. */
export class FakeDirectories implements DirectoryService {
  readonly asked: unknown[] = []
  /** The last archive that came. */
  received = ""
  /** What watches tell. */
  events: WatchEvent[] = []
  /** What watches end with; they go on until they are closed when it is left out. */
  end: "gone" | Failure | undefined = "gone"
  closed = 0

  pack(request: { path: string }): Promise<ReadableStream<Uint8Array>> {
    this.asked.push(request)
    return this.#found(request.path, () => new Blob([`archive of ${request.path}`]).stream())
  }

  measure(request: { path: string }): Promise<DirectorySize> {
    this.asked.push(request)
    return this.#found(request.path, () => ({ files: 3, bytes: 12 }))
  }

  async unpack(
    request: { path: string; snapshot: boolean },
    archive: ReadableStream<Uint8Array>,
  ): Promise<Unpacked> {
    this.asked.push(request)
    this.received = await new Response(archive as BodyInit).text()
    return { files: 2, bytes: this.received.length, snapshot: request.snapshot ? "file_1" : null }
  }

  watch(request: { path: string; recursive: boolean }): Promise<DirectoryWatch> {
    this.asked.push(request)
    return this.#found(request.path, () => {
      let close: () => void = () => undefined
      const closed = new Promise<void>((resolve) => (close = resolve))
      return {
        tell: async (take) => {
          await take(this.events)
          if (this.end instanceof Failure) throw this.end
          if (this.end === undefined) await closed
        },
        close: () => {
          this.closed += 1
          close()
        },
      }
    })
  }

  #found<T>(path: string, make: () => T): Promise<T> {
    if (path !== "none") return Promise.resolve(make())
    return Promise.reject(new Failure("not_found", `"${path}" does not exist.`, { field: "path" }))
  }
}
