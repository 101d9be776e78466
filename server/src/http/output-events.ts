import type { RouteBody } from "opensandbox/contract"
import type { SessionHandlers } from "../sandboxes/sandbox-service.js"
import type { EventSink } from "./event-source.js"

/** How long a client may take nothing, while its command waits for it, in milliseconds. */
const patienceMs = 30_000

type Encoding = RouteBody<"runCommand">["encoding"]

/** Turns bytes into text; without any, gives what is left at their end. */
type Decode = (chunk?: Uint8Array) => string

/**
 * Tells a client what its command prints, as it does. The command waits for a client that reads slowly; one that takes
 * nothing for 30 seconds hears no more of it, and the command goes on.
 */
export class OutputEvents implements SessionHandlers {
  readonly #send: EventSink["send"]
  readonly #decoders: Record<"stdout" | "stderr", Decode>
  #givenUp = false

  constructor(send: EventSink["send"], encoding: Encoding) {
    this.#send = send
    const decoder = encoding === "base64" ? toBase64 : utf8Decoder
    this.#decoders = { stdout: decoder(), stderr: decoder() }
  }

  readonly onStdout = (chunk: Uint8Array) => this.#tell("stdout", chunk)
  readonly onStderr = (chunk: Uint8Array) => this.#tell("stderr", chunk)

  /** Tells what is left of a character that never became whole. */
  end(): void {
    void this.#tell("stdout")
    void this.#tell("stderr")
  }

  async #tell(name: "stdout" | "stderr", chunk?: Uint8Array): Promise<void> {
    const data = this.#decoders[name](chunk)
    if (data === "" || this.#givenUp) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#givenUp = true
        resolve()
      }, patienceMs)
    })
    await Promise.race([this.#send({ name, data }), late])
    clearTimeout(timer)
  }
}

/** A character that comes in two chunks is part of the second one's text. */
function utf8Decoder(): Decode {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  return (chunk) => decoder.decode(chunk, { stream: chunk !== undefined })
}

const toBase64 = (): Decode => (chunk) => (chunk === undefined ? "" : Buffer.from(chunk).toString("base64"))
