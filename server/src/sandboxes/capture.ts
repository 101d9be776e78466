import { Failure } from "../failure.js"
import { Output } from "./output.js"
import type { RunRequest, SessionHandlers } from "./sandbox-service.js"

type Handler = SessionHandlers["onStdout"]

/** What a command prints: kept up to a bound, and told to whoever listens while it runs. */
export class Capture {
  /** What the command's execution needs. */
  readonly handlers: SessionHandlers
  readonly #stdout: Output
  readonly #stderr: Output
  /** What waits for the listener; no more does once it is released. */
  readonly #waiting = new Set<() => void>()
  #released = false

  /** @param limit Bytes to keep of each stream. */
  constructor(limit: number, listener: SessionHandlers | undefined) {
    this.#stdout = new Output(limit)
    this.#stderr = new Output(limit)
    this.handlers = {
      onStdout: this.#handler(this.#stdout, listener?.onStdout),
      onStderr: this.#handler(this.#stderr, listener?.onStderr),
    }
  }

  /** Waits for the listener no more: the end of a command that is killed must not wait for who hears of it. */
  release(): void {
    this.#released = true
    for (const go of this.#waiting) go()
  }

  /** What was printed, as an answer has it. */
  answer(encoding: RunRequest["encoding"]) {
    const [stdout, stderr] = [this.#stdout, this.#stderr]
    return {
      stdout: stdout.encoded(encoding),
      stderr: stderr.encoded(encoding),
      stdoutTruncated: stdout.truncated,
      stderrTruncated: stderr.truncated,
    }
  }

  /** Adds to a failure what the command had printed: what its caller would otherwise lose. */
  addTo(error: unknown): unknown {
    if (!(error instanceof Failure)) return error
    const [stdout, stderr] = [this.#stdout.text(), this.#stderr.text()]
    const printed = [stdout, stderr].filter((text) => text !== "").map((text) => text.slice(-500))
    const message =
      printed.length === 0 ? error.message : `${error.message} Printed so far: ${printed.join("\n")}`
    return new Failure(error.code, message, { ...error.details, stdout, stderr })
  }

  #handler(output: Output, listener: Handler | undefined): Handler {
    if (listener === undefined) {
      return (chunk) => {
        output.add(chunk)
      }
    }
    return (chunk) => {
      output.add(chunk)
      return this.#released ? undefined : this.#heard(listener(chunk))
    }
  }

  #heard(hearing: void | Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        this.#waiting.delete(go)
        resolve()
      }
      this.#waiting.add(go)
      Promise.resolve(hearing).then(go, go)
    })
  }
}
