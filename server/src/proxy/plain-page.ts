import { STATUS_CODES, type ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { errorCodes } from "opensandbox/contract"
import type { Failure } from "../failure.js"

/** The statuses of what went wrong behind the proxy; the others are those of the API. */
const statuses: Partial<Record<Failure["code"], number>> = {
  unavailable: 502,
  interrupted: 502,
  limit_reached: 503,
}

/** Tells people, in plain words, why there is no answer from the guest. */
export function answerWithPage(response: ServerResponse, failure: Failure): void {
  // Nobody is there any more.
  if (response.destroyed) return
  response.writeHead(statusOf(failure), {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // The rest of a request's body may be on its way still.
    connection: "close",
  })
  response.end(`${failure.message}\n`)
}

/** The same on a connection that was to be upgraded. */
export function refuseWithPage(socket: Duplex, failure: Failure): void {
  const status = statusOf(failure)
  const text = `${failure.message}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "content-type: text/plain; charset=utf-8",
    "connection: close",
    `content-length: ${Buffer.byteLength(text)}`,
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy())
}

function statusOf({ code }: Failure): number {
  return statuses[code] ?? errorCodes[code].status
}
