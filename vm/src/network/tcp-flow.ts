import { randomBytes } from "node:crypto"
import type { Socket } from "node:net"
import { longestSegment, tcpFlags, type OutgoingSegment, type Segment } from "./tcp-segment.js"

/** Bytes on their way that a connection holds in each direction; one piece of what the host reads may come on top. */
const capacity = 128 * 1024

/** By how many bits the windows that the guest is told are shifted, so that `capacity` fits into 16. */
const ownWindowShift = 2

/** Pieces that wait for the host to take them; together they may be small, and each costs more than its bytes. */
const maxPendingWrites = 128

/** How much data a segment carries for a guest that does not say. */
const defaultMaxSegment = 536

/** Less in a segment would be mostly headers. */
const leastMaxSegment = 64

const connectMilliseconds = 30_000

/** The link loses nothing, but a guest short of memory does. */
const firstRetryMilliseconds = 250
const longestRetryMilliseconds = 8_000
const maxRetries = 12

/** What a connection needs of the gateway. */
export interface TcpFlowHandlers {
  /** Sends a segment to the guest. */
  send: (segment: OutgoingSegment) => void
  /** Is called once, when the connection is over. */
  ended: () => void
}

/**
 * A TCP connection that the guest has begun: the guest's end of it is spoken here, and the host's kernel speaks the other,
 * as for any program's. What either side sends is held only until the other takes it, and no more than `capacity`.
 */
export class TcpFlow {
  readonly #socket: Socket
  readonly #handlers: TcpFlowHandlers
  readonly #maxSegment: number
  readonly #guestWindowShift: number
  readonly #ownWindowShift: number | undefined
  /** `greeting`: the host is connected, and the guest has still to hear of it. */
  #state: "connecting" | "greeting" | "open" | "over" = "connecting"

  /** The next number that is expected of the guest. */
  #receiveNext: number
  #guestEnded = false
  #pendingWrites = 0
  /** The room that the guest was last told of. */
  #advertised = 0

  /** The first number that the guest has not acknowledged, and what begins there. */
  #acknowledged = randomBytes(4).readUInt32BE()
  #unacknowledged = Buffer.alloc(0)
  /** The number that is sent next, and the highest that it ever was. */
  #sendNext = this.#acknowledged
  #sendHighest = this.#acknowledged
  #guestWindow: number
  #hostEnded = false
  #endAcknowledged = false
  #retries = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param first The segment that begins the connection.
   * @param socket On its way to the destination, half-open at its end.
   */
  constructor(first: Segment, socket: Socket, handlers: TcpFlowHandlers) {
    this.#socket = socket
    this.#handlers = handlers
    this.#receiveNext = plus(first.sequence, 1)
    this.#guestWindow = first.window
    this.#maxSegment = Math.max(
      leastMaxSegment,
      Math.min(first.maxSegment ?? defaultMaxSegment, longestSegment),
    )
    this.#guestWindowShift = first.windowShift ?? 0
    this.#ownWindowShift = first.windowShift === undefined ? undefined : ownWindowShift
    this.#listen()
  }

  /** Takes a segment of the guest. */
  receive(segment: Segment): void {
    if (this.#state === "over") return
    if (segment.flags & tcpFlags.rst) {
      if (isBetween(segment.sequence, this.#receiveNext, capacity)) this.close()
      return
    }
    if (this.#state === "connecting") return
    if (segment.flags & tcpFlags.syn) {
      if (this.#state === "greeting") this.#sendGreeting()
      else this.#sendAcknowledgment()
      return
    }
    if (!(segment.flags & tcpFlags.ack) || !this.#takeAcknowledgment(segment)) return
    this.#takeData(segment)
    this.#pump()
    if (this.#guestEnded && this.#endAcknowledged) this.close()
  }

  /** Ends it, without a word to the guest. */
  close(): void {
    if (this.#state === "over") return
    this.#state = "over"
    clearTimeout(this.#timer)
    this.#socket.destroy()
    this.#unacknowledged = Buffer.alloc(0)
    this.#handlers.ended()
  }

  #listen(): void {
    const socket = this.#socket
    socket.setTimeout(connectMilliseconds)
    socket.once("timeout", () => this.#reset())
    socket.once("connect", () => {
      socket.setTimeout(0)
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
      if (this.#state !== "connecting") return
      this.#state = "greeting"
      this.#sendGreeting()
      this.#arm()
    })
    socket.on("data", (data: Buffer) => {
      this.#unacknowledged = Buffer.concat([this.#unacknowledged, data])
      if (this.#unacknowledged.length >= capacity) socket.pause()
      this.#pump()
    })
    socket.once("end", () => {
      this.#hostEnded = true
      this.#pump()
    })
    socket.on("error", () => this.#reset())
    socket.once("close", () => {
      if (!this.#hostEnded) this.#reset()
    })
  }

  /** Tells the guest that the connection is broken, or never was. */
  #reset(): void {
    if (this.#state === "over") return
    this.#send({ flags: tcpFlags.rst | tcpFlags.ack })
    this.close()
  }

  /** @returns whether the segment belongs to this connection as it is. */
  #takeAcknowledgment({ acknowledgment, window }: Segment): boolean {
    const advance = distance(this.#acknowledged, acknowledgment)
    if (advance > distance(this.#acknowledged, this.#sendHighest)) {
      this.#sendAcknowledgment()
      return false
    }
    // It was overtaken by a later one.
    if (advance < 0) return true
    this.#guestWindow = window << this.#guestWindowShift
    // A guest that only does not read is alive, however long it does not.
    if (advance > 0 || this.#guestWindow === 0) this.#retries = 0
    if (advance > 0) this.#advance(advance)
    return true
  }

  #advance(numbers: number): void {
    let bytes = numbers
    if (this.#state === "greeting") {
      this.#state = "open"
      bytes -= 1
    }
    if (bytes > this.#unacknowledged.length) {
      // The end has a number too.
      this.#endAcknowledged = true
      bytes = this.#unacknowledged.length
    }
    this.#unacknowledged = this.#unacknowledged.subarray(bytes)
    this.#acknowledged = plus(this.#acknowledged, numbers)
    if (distance(this.#acknowledged, this.#sendNext) < 0) this.#sendNext = this.#acknowledged
    if (this.#unacknowledged.length <= capacity / 2) this.#socket.resume()
    this.#arm()
  }

  #takeData({ sequence, data, flags }: Segment): void {
    const ends = (flags & tcpFlags.fin) !== 0
    if (data.length === 0 && !ends) return
    const known = distance(sequence, this.#receiveNext)
    if (known >= 0 && known <= data.length && !this.#guestEnded) {
      const fresh = data.subarray(known)
      const taken = fresh.subarray(0, this.#room)
      this.#receiveNext = plus(this.#receiveNext, taken.length)
      if (taken.length > 0) this.#write(taken)
      if (ends && taken.length === fresh.length) {
        this.#receiveNext = plus(this.#receiveNext, 1)
        this.#guestEnded = true
        this.#socket.end()
      }
    }
    this.#sendAcknowledgment()
  }

  #write(data: Buffer): void {
    this.#pendingWrites += 1
    // A copy, since the frame is a part of all that was read with it.
    this.#socket.write(Buffer.from(data), () => {
      this.#pendingWrites -= 1
      if (this.#state === "open" && this.#advertised < capacity / 4 && this.#room >= capacity / 2)
        this.#sendAcknowledgment()
    })
  }

  /** How much more of the guest can be taken, in bytes. */
  get #room(): number {
    if (this.#pendingWrites >= maxPendingWrites) return 0
    return Math.max(0, capacity - this.#socket.writableLength)
  }

  /** Sends what the guest has room for, and at last the end. */
  #pump(): void {
    if (this.#state !== "open") return
    for (;;) {
      const inFlight = distance(this.#acknowledged, this.#sendNext)
      const left = this.#unacknowledged.length - inFlight
      const size = Math.min(this.#maxSegment, left, this.#guestWindow - inFlight)
      // A piece that could be larger waits until what is under way has arrived.
      if (size <= 0 || (size < left && size < this.#maxSegment && inFlight > 0)) break
      this.#sendData(inFlight, size)
    }
    const allSent = distance(this.#acknowledged, this.#sendNext) === this.#unacknowledged.length
    if (this.#hostEnded && allSent && !this.#endAcknowledged) {
      this.#send({ flags: tcpFlags.fin | tcpFlags.ack })
      this.#sent(1)
    }
    if (this.#timer === undefined) this.#arm()
  }

  #sendData(from: number, size: number): void {
    const data = this.#unacknowledged.subarray(from, from + size)
    this.#send({ flags: tcpFlags.psh | tcpFlags.ack, data })
    this.#sent(size)
  }

  #sendGreeting(): void {
    this.#sendNext = this.#acknowledged
    const shift = { windowShift: this.#ownWindowShift }
    this.#send({ flags: tcpFlags.syn | tcpFlags.ack, maxSegment: longestSegment, ...shift })
    this.#sent(1)
  }

  #sendAcknowledgment(): void {
    this.#send({ flags: tcpFlags.ack })
  }

  #sent(numbers: number): void {
    this.#sendNext = plus(this.#sendNext, numbers)
    if (distance(this.#sendHighest, this.#sendNext) > 0) this.#sendHighest = this.#sendNext
  }

  #send(segment: Omit<OutgoingSegment, "sequence" | "acknowledgment" | "window">): void {
    // Before the guest knows of a shift, there is none.
    const shift = segment.flags & tcpFlags.syn ? 0 : (this.#ownWindowShift ?? 0)
    const window = Math.min(0xffff, this.#room >> shift)
    this.#advertised = window << shift
    this.#handlers.send({
      sequence: this.#sendNext,
      acknowledgment: this.#receiveNext,
      window,
      ...segment,
    })
  }

  /** Begins to wait for the guest to acknowledge, if there is anything to wait for. */
  #arm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waits = this.#sendNext !== this.#acknowledged || this.#unacknowledged.length > 0
    if (!waits || this.#state === "over") return
    const pause = Math.min(longestRetryMilliseconds, firstRetryMilliseconds * 2 ** this.#retries)
    this.#timer = setTimeout(() => this.#retry(), pause)
  }

  /** Sends again all that was not acknowledged, or one byte to learn whether the guest has room by now. */
  #retry(): void {
    this.#retries += 1
    if (this.#retries > maxRetries) {
      this.#reset()
      return
    }
    this.#sendNext = this.#acknowledged
    if (this.#state === "greeting") this.#sendGreeting()
    else if (this.#guestWindow === 0 && this.#unacknowledged.length > 0) this.#sendData(0, 1)
    else this.#pump()
    this.#arm()
  }
}

/** A number that is so much further on; they go round at 32 bits. */
function plus(sequence: number, numbers: number): number {
  return (sequence + numbers) >>> 0
}

/** How much further on `to` is; negative when it comes before. */
function distance(from: number, to: number): number {
  return (to - from) | 0
}

function isBetween(sequence: number, from: number, length: number): boolean {
  const at = distance(from, sequence)
  return at >= 0 && at <= length
}
