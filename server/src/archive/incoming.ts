import { Readable } from "node:stream"
import { DeadlineError, within } from "@opensandbox/vm"
import { Failure } from "../failure.js"

/** A sender that sends nothing for this long has gone, or wants to keep something busy here. */
const silenceMilliseconds = 60_000

/** What a caller sends, as long as it keeps coming: a silence of a minute ends it with Failure `timeout`. */
export function incoming(
  stream: ReadableStream<Uint8Array>,
  maxSilenceMilliseconds = silenceMilliseconds,
): Readable {
  const reader = stream.getReader()
  return new Readable({
    read() {
      within(maxSilenceMilliseconds, "the next part of an archive", reader.read()).then(
        ({ done, value }) => this.push(done ? null : value),
        (error: unknown) => this.destroy(error instanceof DeadlineError ? silent() : (error as Error)),
      )
    },
    destroy(error, callback) {
      reader.cancel(error).then(
        () => callback(error),
        () => callback(error),
      )
    },
  })
}

function silent(): Failure {
  return new Failure("timeout", "The rest of the archive did not come; nothing was imported. Send it again.")
}
