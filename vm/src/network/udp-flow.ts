import { createSocket, type Socket } from "node:dgram"
import { formatAddress, type Address } from "./address.js"
import { longestDatagram } from "./udp.js"

/** How long a port stays open for answers after the last datagram in either direction. */
const idleMilliseconds = 60_000

/** Datagrams that wait for the socket; what comes on top is lost, as datagrams may be. */
const maxWaiting = 16

/** Bytes that the host's kernel still has to send. */
const maxQueuedBytes = 256 * 1024

/** What a flow needs of the gateway. */
export interface UdpFlowHandlers {
  /** Takes what was answered. */
  deliver: (data: Buffer) => void
  /** Is called once, when the flow is over. */
  ended: () => void
}

/** Datagrams between a port of the guest and one other address. Only that one can answer. */
export class UdpFlow {
  readonly #socket: Socket
  readonly #ended: () => void
  readonly #idle: NodeJS.Timeout
  /** What came before the socket was ready; undefined afterwards. */
  #waiting: Buffer[] | undefined = []
  #over = false

  constructor(address: Address, port: number, { deliver, ended }: UdpFlowHandlers) {
    this.#ended = ended
    this.#idle = setTimeout(() => this.close(), idleMilliseconds)
    this.#idle.unref()
    this.#socket = createSocket("udp4")
    this.#socket.on("error", () => this.close())
    this.#socket.on("message", (data) => {
      this.#idle.refresh()
      if (data.length <= longestDatagram) deliver(data)
    })
    this.#socket.once("connect", () => {
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      for (const data of waiting) this.send(data)
    })
    this.#socket.connect(port, formatAddress(address))
  }

  send(data: Buffer): void {
    if (this.#over) return
    this.#idle.refresh()
    // A copy, since the frame is a part of all that was read with it.
    if (this.#waiting === undefined) {
      if (this.#socket.getSendQueueSize() < maxQueuedBytes) this.#socket.send(Buffer.from(data), ignoreLoss)
    } else if (this.#waiting.length < maxWaiting) {
      this.#waiting.push(Buffer.from(data))
    }
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#idle)
    this.#socket.close()
    this.#ended()
  }
}

/** A datagram that nobody takes is lost, and the guest's program has to cope, as anywhere. */
function ignoreLoss(): void {
  return undefined
}
