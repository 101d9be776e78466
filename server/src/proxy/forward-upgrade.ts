import { ServerResponse, type IncomingMessage } from "node:http"
import { pipeline, type Duplex } from "node:stream"
import type { Failure } from "../failure.js"
import type { Dialled } from "../sandboxes/sandbox-service.js"
import { answerWith, guestRequest, idleMs, noAnswer, whyBroken, type Forwarded } from "./forward.js"
import { responseHeaders } from "./headers.js"
import { refuseWithPage } from "./plain-page.js"

/** How long a server in a guest may take to agree to another protocol, in milliseconds. */
const agreeMs = 120_000

/** The connection of a request to upgrade, and what has come on it of the next protocol already. */
export interface Client {
  readonly socket: Duplex
  readonly head: Buffer
}

/**
 * Asks the guest to speak another protocol, as WebSocket, and joins the two connections when it agrees. Owns both
 * of them.
 */
export function forwardUpgrade(forwarded: Forwarded, { socket, head }: Client, dialled: Dialled): void {
  const guest = dialled.socket
  socket.once("close", () => {
    guest.destroy()
  })
  const { request, port } = forwarded
  const outgoing = guestRequest(forwarded, guest, true)
  let decided = false
  const refuse = (failure: Failure) => {
    decided = true
    outgoing.destroy()
    refuseWithPage(socket, failure)
  }
  const late = setTimeout(refuse, agreeMs, noAnswer(port))
  const decide = () => {
    decided = true
    clearTimeout(late)
  }
  socket.once("close", () => {
    decide()
    outgoing.destroy()
  })
  request.socket.setTimeout(idleMs, () => {
    socket.destroy()
  })
  outgoing.once("upgrade", (answer: IncomingMessage, _socket: unknown, guestHead: Buffer) => {
    decide()
    socket.write(switchingHead(answer))
    socket.write(guestHead)
    guest.write(head)
    pipeline(guest, socket, guest, () => {
      socket.destroy()
    })
  })
  outgoing.once("response", (answer) => {
    decide()
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(request.socket)
    response.once("finish", () => {
      socket.end()
    })
    answerWith(answer, response, refuse)
  })
  outgoing.on("error", () => {
    if (decided) return
    decide()
    void whyBroken(dialled, port).then(refuse)
  })
  outgoing.end()
}

/** The head of an answer that agrees, as the client gets it. */
function switchingHead(answer: IncomingMessage): string {
  const headers = responseHeaders(answer)
  const lines = headers.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${headers[index + 1] ?? ""}`] : [],
  )
  const protocol = `upgrade: ${answer.headers.upgrade ?? ""}`
  return ["HTTP/1.1 101 Switching Protocols", "connection: Upgrade", protocol, ...lines, "", ""].join("\r\n")
}
