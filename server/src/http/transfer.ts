import { Patience } from "@opensandbox/vm"
import { Failure } from "../failure.js"

/** How long a client may neither send nor take anything in the middle of a transfer. */
const patienceMs = 60_000

type Bytes = ReadableStream<Uint8Array>
type Controller = ReadableStreamDefaultController<Uint8Array>

interface Source {
  start?: (controller: Controller) => void
  pull: (controller: Controller) => Promise<void>
  cancel: (reason: unknown) => Promise<void>
}

/** A request's body of any length. It fails when the client goes away, or sends nothing for a minute. */
export function received(body: Bytes): Bytes {
  const reader = body.getReader()
  let patience: Patience
  return onDemand({
    start(controller) {
      patience = new Patience(patienceMs, () => {
        controller.error(new Failure("timeout", "Nothing more of the request's body came for a minute."))
      })
    },
    pull(controller) {
      patience.wait()
      return reader.read().then(
        (part) => {
          if (part.done) patience.end()
          else patience.rest()
          passTo(controller)(part)
        },
        () => {
          patience.end()
          const error = "Invalid request: the body ended before it was complete."
          controller.error(new Failure("invalid_request", error, { field: "body" }))
        },
      )
    },
    cancel(reason) {
      patience.end()
      return reader.cancel(reason)
    },
  })
}

/**
 * An answer's body of any length. It fails as its maker does, or when the client takes nothing for a minute; `onFailure`
 * hears why.
 */
export function sent(body: Bytes, onFailure: (error: unknown) => void): Bytes {
  const reader = body.getReader()
  let patience: Patience
  const fail = (controller: Controller, error: unknown) => {
    onFailure(error)
    controller.error(error)
  }
  return onDemand({
    start(controller) {
      patience = new Patience(patienceMs, () => {
        const error = new Failure("timeout", "The client took nothing more of the answer for a minute.")
        fail(controller, error)
        reader.cancel(error).catch(onFailure)
      })
      patience.wait()
    },
    pull(controller) {
      patience.rest()
      return reader.read().then(
        (part) => {
          passTo(controller)(part)
          if (part.done) patience.end()
          else patience.wait()
        },
        (error: unknown) => {
          patience.end()
          fail(controller, error)
        },
      )
    },
    cancel(reason) {
      patience.end()
      return reader.cancel(reason)
    },
  })
}

/** The same body, but where it would fail, it breaks its connection: nobody must take what was sent for complete. */
export function breaking(body: Bytes, connection: { destroy(): unknown }): Bytes {
  const reader = body.getReader()
  return onDemand({
    pull: (controller) =>
      reader.read().then(passTo(controller), () => {
        connection.destroy()
        controller.close()
      }),
    cancel: (reason) => reader.cancel(reason),
  })
}

/** Nothing is read before it is wanted. */
const onDemand = (source: Source): Bytes => new ReadableStream<Uint8Array>(source, { highWaterMark: 0 })

const passTo =
  (controller: Controller) =>
  ({ done, value }: { done: boolean; value?: Uint8Array | undefined }) => {
    if (done || value === undefined) controller.close()
    else controller.enqueue(value)
  }
