import { randomUUID } from "node:crypto"
import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import type { Logger } from "pino"
import { errorAnswer } from "./errors.js"

/** Answers a request to upgrade with an error, as any other request would be, and closes its connection. */
export function refuseUpgrade(socket: Duplex, error: unknown, log: Logger): void {
  const { status, body } = errorAnswer(error, log, randomUUID())
  const text = JSON.stringify(body)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(text)}`,
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy())
}
