import type { Address } from "../network/address.js"
import { Gateway, type GatewayMeans } from "../network/gateway.js"
import { gatewayMac, guestAddress, guestMac } from "../network/guest-link.js"
import { parseSegment, tcpFlags, type Segment } from "../network/tcp-segment.js"
import { parseDatagram, type Datagram } from "../network/udp.js"

const bytesOf = (mac: string) => Buffer.from(mac.replaceAll(":", ""), "hex")

/** A frame as a guest sends it, by default an honest one. */
export function guestFrame(
  packet: { protocol: number; destination: Address; body: Uint8Array; source?: Address; fragment?: number },
  { to = gatewayMac, from = guestMac } = {},
): Buffer {
  const { protocol, destination, body, source = guestAddress, fragment = 0 } = packet
  const header = Buffer.alloc(34)
  bytesOf(to).copy(header)
  bytesOf(from).copy(header, 6)
  header.writeUInt16BE(0x0800, 12)
  header.writeUInt8(0x45, 14)
  header.writeUInt16BE(20 + body.length, 16)
  header.writeUInt16BE(fragment, 20)
  header.writeUInt8(64, 22)
  header.writeUInt8(protocol, 23)
  header.writeUInt32BE(source, 26)
  header.writeUInt32BE(destination, 30)
  return Buffer.concat([header, body])
}

/** The body of a datagram as a guest sends it. */
export function guestDatagram(sourcePort: number, destinationPort: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(sourcePort, 0)
  header.writeUInt16BE(destinationPort, 2)
  header.writeUInt16BE(8 + data.length, 4)
  return Buffer.concat([header, data])
}

/** The body of a segment as a guest sends it. */
export function guestSegment(
  ports: { from: number; to: number },
  fields: { sequence: number; acknowledgment?: number; flags: number; window?: number; data?: Uint8Array },
): Buffer {
  const options = fields.flags & tcpFlags.syn ? Buffer.from([2, 4, 0x3f, 0xc4, 1, 3, 3, 4]) : Buffer.alloc(0)
  const header = Buffer.alloc(20)
  header.writeUInt16BE(ports.from, 0)
  header.writeUInt16BE(ports.to, 2)
  header.writeUInt32BE(fields.sequence >>> 0, 4)
  header.writeUInt32BE((fields.acknowledgment ?? 0) >>> 0, 8)
  header.writeUInt8((20 + options.length) << 2, 12)
  header.writeUInt8(fields.flags, 13)
  header.writeUInt16BE(fields.window ?? 0xffff, 14)
  return Buffer.concat([header, options, fields.data ?? Buffer.alloc(0)])
}

/** The guest's end of the link, without a guest: it keeps what the gateway sends, and speaks just enough TCP. */
export class FakeGuest {
  readonly gateway: Gateway
  readonly frames: Buffer[] = []
  readonly datagrams: Datagram[] = []
  /** Whether a frame of the gateway gets lost on its way. */
  loses: (frame: Buffer) => boolean = () => false
  readonly #connections = new Map<number, FakeConnection>()
  #port = 40_000

  constructor(means: Omit<GatewayMeans, "send">) {
    this.gateway = new Gateway({ ...means, send: (frame) => this.#take(frame) })
  }

  /** Begins a connection. */
  connect(address: Address, port: number): FakeConnection {
    const from = this.#port++
    const connection = new FakeConnection((fields) =>
      this.gateway.receive(
        guestFrame({ protocol: 6, destination: address, body: guestSegment({ from, to: port }, fields) }),
      ),
    )
    this.#connections.set(from, connection)
    connection.begin()
    return connection
  }

  sendDatagram(address: Address, port: number, data: Uint8Array): void {
    this.gateway.receive(
      guestFrame({ protocol: 17, destination: address, body: guestDatagram(50_000, port, data) }),
    )
  }

  #take(frame: Buffer): void {
    if (this.loses(frame)) return
    this.frames.push(frame)
    if (frame.readUInt16BE(12) !== 0x0800) return
    const body = frame.subarray(34)
    if (frame[23] === 17) {
      const datagram = parseDatagram(body)
      if (datagram !== undefined) this.datagrams.push(datagram)
      return
    }
    const segment = parseSegment(body)
    // Later, as over any link.
    if (segment !== undefined)
      setImmediate(() => this.#connections.get(segment.destinationPort)?.take(segment))
  }
}

type Send = (fields: Parameters<typeof guestSegment>[1]) => void

const maxData = 16_000

/** A connection of the fake guest. It loses nothing itself, so it never sends anything twice. */
export class FakeConnection {
  state: "opening" | "open" | "ended" | "reset" = "opening"
  /** What it tells that it has room for, divided by 16. */
  window = 0xffff
  /** The room that it was told of last. */
  room = 0
  readonly #send: Send
  readonly #received: Buffer[] = []
  #first = 4_294_960_000
  #next = this.#first
  #acknowledged = this.#first
  #expected = 0
  #unsent = Buffer.alloc(0)
  #ends = false

  constructor(send: Send) {
    this.#send = send
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  /** Bytes that the other side has acknowledged. */
  get taken(): number {
    return (this.#acknowledged - this.#first - 1) | 0
  }

  begin(): void {
    this.#send({ sequence: this.#next, flags: tcpFlags.syn })
    this.#next += 1
  }

  send(data: Uint8Array): void {
    this.#unsent = Buffer.concat([this.#unsent, data])
    this.#pump()
  }

  end(): void {
    this.#ends = true
    this.#pump()
  }

  reset(): void {
    this.#send({ sequence: this.#next, flags: tcpFlags.rst })
  }

  /** Tells how much room there is. */
  acknowledge(): void {
    this.#send({
      sequence: this.#next,
      acknowledgment: this.#expected,
      flags: tcpFlags.ack,
      window: this.window,
    })
  }

  take(segment: Segment): void {
    if (segment.flags & tcpFlags.rst) {
      this.state = "reset"
      return
    }
    this.#acknowledged = segment.acknowledgment
    if (segment.flags & tcpFlags.syn) {
      this.#expected = (segment.sequence + 1) >>> 0
      this.state = "open"
      this.room = segment.window
      this.acknowledge()
    } else {
      this.room = segment.window << 2
      const expected = segment.sequence === this.#expected
      if (expected) {
        this.#received.push(Buffer.from(segment.data))
        this.#expected = (this.#expected + segment.data.length) >>> 0
        if (segment.flags & tcpFlags.fin) {
          this.#expected = (this.#expected + 1) >>> 0
          this.state = "ended"
        }
      }
      if (segment.data.length > 0 || segment.flags & tcpFlags.fin) this.acknowledge()
    }
    this.#pump()
  }

  #pump(): void {
    if (this.state === "opening" || this.state === "reset") return
    for (;;) {
      const inFlight = (this.#next - this.#acknowledged) | 0
      const data = this.#unsent.subarray(0, Math.max(0, Math.min(maxData, this.room - inFlight)))
      if (data.length === 0) break
      this.#unsent = this.#unsent.subarray(data.length)
      const [sequence, acknowledgment] = [this.#next, this.#expected]
      this.#next += data.length
      this.#send({ sequence, acknowledgment, flags: tcpFlags.ack, window: this.window, data })
    }
    if (!this.#ends || this.#unsent.length > 0) return
    this.#ends = false
    const [sequence, acknowledgment] = [this.#next, this.#expected]
    this.#next += 1
    this.#send({ sequence, acknowledgment, flags: tcpFlags.fin | tcpFlags.ack, window: this.window })
  }
}
