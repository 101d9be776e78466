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
  return onDemand({
    pull(controller) {
      const timer = setTimeout(() => {
        controller.error(new Failure("timeout", "Nothing more of the request's body came for a minute."))
      }, patienceMs)
      return reader
        .read()
        .then(passTo(controller), () => {
          const error = "Invalid request: the body ended before it was complete."
          controller.error(new Failure("invalid_request", error, { field: "body" }))
        })
        .finally(() => {
          clearTimeout(timer)
        })
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

/**
 * An answer's body of any length. It fails as its maker does, or when the client takes nothing for a minute; `onFailure`
 * hears why.
 */
export function sent(body: Bytes, onFailure: (error: unknown) => void): Bytes {
  const reader = body.getReader()
  // Goes on while the next part is made, and begins anew with each: to make one for each part costs more than the part.
  let timer: NodeJS.Timeout | undefined
  let taken = false
  const watch = (controller: Controller) => {
    taken = false
    timer =
      timer?.refresh() ??
      setTimeout(() => {
        timer = undefined
        if (taken) return
        const error = new Failure("timeout", "The client took nothing more of the answer for a minute.")
        fail(controller, error)
        reader.cancel(error).catch(onFailure)
      }, patienceMs)
  }
  const fail = (controller: Controller, error: unknown) => {
    clearTimeout(timer)
    onFailure(error)
    controller.error(error)
  }
  return onDemand({
    start: watch,
    pull(controller) {
      taken = true
      return reader.read().then(
        (part) => {
          passTo(controller)(part)
          if (part.done) clearTimeout(timer)
          else watch(controller)
        },
        (error: unknown) => {
          fail(controller, error)
        },
      )
    },
    cancel(reason) {
      clearTimeout(timer)
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
