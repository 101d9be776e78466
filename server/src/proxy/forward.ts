import {
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http"
import { pipeline, type Duplex } from "node:stream"
import { Failure } from "../failure.js"
import type { Dialled } from "../sandboxes/sandbox-service.js"
import { requestHeaders, responseHeaders } from "./headers.js"
import { answerWithPage } from "./plain-page.js"

/** How long a server in a guest may take to begin its answer once it has the whole request, in milliseconds. */
const answerMs = 120_000

/** How long neither side may move, in milliseconds. */
export const idleMs = 10 * 60_000

/** One request and what is known about where it goes. */
export interface Forwarded {
  readonly request: IncomingMessage
  /** What of its URL the guest sees. */
  readonly path: string
  readonly port: number
}

/** The request for the guest, to be sent on `guest`, a connection of its own. */
export function guestRequest({ request, path }: Forwarded, guest: Duplex, upgrade: boolean): ClientRequest {
  return httpRequest({
    createConnection: () => guest,
    method: request.method,
    path,
    headers: requestHeaders(request, upgrade),
  })
}

/** Sends a request to the guest and the guest's answer to the client, each as it comes. Owns the guest's connection. */
export function forward(forwarded: Forwarded, response: ServerResponse, guest: Dialled): void {
  response.once("close", () => {
    guest.socket.destroy()
  })
  const { request, port } = forwarded
  const outgoing = guestRequest(forwarded, guest.socket, false)
  let late: NodeJS.Timeout | undefined
  let decided = false
  const refuse = (failure: Failure) => {
    decided = true
    outgoing.destroy()
    answerWithPage(response, failure)
  }
  response.setTimeout(idleMs, () => {
    response.destroy()
  })
  response.once("close", () => {
    decided = true
    clearTimeout(late)
    outgoing.destroy()
  })
  outgoing.once("finish", () => {
    if (!decided) late = setTimeout(refuse, answerMs, noAnswer(port))
  })
  outgoing.once("response", (answer) => {
    decided = true
    clearTimeout(late)
    answerWith(answer, response, refuse)
  })
  outgoing.on("error", () => {
    clearTimeout(late)
    if (decided) return
    decided = true
    void whyBroken(guest, port).then(refuse)
  })
  request.pipe(outgoing)
}

/** Sends the guest's answer on. One that breaks off breaks the client's connection, so that nobody takes it for whole. */
export function answerWith(
  answer: IncomingMessage,
  response: ServerResponse,
  refuse: (failure: Failure) => void,
): void {
  try {
    response.writeHead(answer.statusCode ?? 0, answer.statusMessage, responseHeaders(answer))
  } catch {
    refuse(new Failure("unavailable", "The server in the sandbox gave an answer that is not HTTP."))
    return
  }
  response.flushHeaders()
  pipeline(answer, response, () => undefined)
}

/** Why a request to the guest broke off without an answer. */
export function whyBroken({ connected }: Dialled, port: number): Promise<Failure> {
  return connected.then(
    () =>
      new Failure(
        "unavailable",
        `The server at port ${port} of the sandbox ended the connection, or does not speak HTTP. Look at its log.`,
      ),
    (failure: unknown) => failure as Failure,
  )
}

export function noAnswer(port: number): Failure {
  return new Failure(
    "timeout",
    `The server at port ${port} of the sandbox did not begin to answer within ${answerMs / 1000} s.`,
  )
}
