import { connect, type Socket } from "node:net"
import { formatAddress, type Address } from "./address.js"
import { answerArp, etherTypes, parseFrame } from "./ethernet.js"
import { gatewayAddress } from "./guest-link.js"
import { parsePacket, protocols, type Packet } from "./ipv4.js"
import { NameService, type Lookup } from "./name-service.js"
import type { Reach } from "./reach.js"
import { TcpFlow } from "./tcp-flow.js"
import { parseSegment, segmentFrame, tcpFlags, type Segment } from "./tcp-segment.js"
import { datagramFrame, longestDatagram, parseDatagram, type Datagram } from "./udp.js"
import { UdpFlow, type UdpFlowHandlers } from "./udp-flow.js"

/** Connections of one guest at the same time; one more is refused. */
const maxTcpFlows = 256

/** Pairs of ports that exchange datagrams at the same time; one more ends the oldest. */
const maxUdpFlows = 256

const dnsPort = 53

/** Datagrams to one other address and from it. */
type Exchange = Pick<UdpFlow, "send" | "close">

/** What a gateway works with. */
export interface GatewayMeans {
  readonly reach: Reach
  readonly lookup: Lookup
  /** Sends a frame to the guest. */
  readonly send: (frame: Buffer) => void
  /** Begins a connection from the host. */
  readonly dial?: (address: Address, port: number) => Socket
  /** Begins an exchange of datagrams from the host. */
  readonly openUdp?: (address: Address, port: number, handlers: UdpFlowHandlers) => Exchange
}

/**
 * The other end of a guest's network: it speaks ARP, IPv4, TCP and UDP with the guest, and for each connection and each
 * exchange of datagrams that may be it opens a socket of the host. No packet of the guest ever gets further than here, so
 * that nothing in it has to be believed: only its content goes on, to an address that was asked for by number and allowed.
 */
export class Gateway {
  readonly #means: GatewayMeans
  readonly #names: NameService
  readonly #tcpFlows = new Map<string, TcpFlow>()
  readonly #udpFlows = new Map<string, Exchange>()
  #closed = false

  constructor(means: GatewayMeans) {
    this.#means = means
    this.#names = new NameService(means.reach, means.lookup)
  }

  /** Takes a frame of the guest, whatever is in it. */
  receive(frame: Buffer): void {
    const { type, payload } = parseFrame(frame) ?? {}
    if (this.#closed || payload === undefined) return
    if (type === etherTypes.arp) {
      const answer = answerArp(payload)
      if (answer !== undefined) this.#means.send(answer)
    } else if (type === etherTypes.ipv4) {
      const packet = parsePacket(payload)
      if (packet?.protocol === protocols.tcp) this.#receiveTcp(packet)
      else if (packet?.protocol === protocols.udp) this.#receiveUdp(packet)
    }
  }

  /** Ends all connections. */
  close(): void {
    this.#closed = true
    for (const flow of [...this.#tcpFlows.values(), ...this.#udpFlows.values()]) flow.close()
  }

  #receiveTcp({ destination, body }: Packet): void {
    const segment = parseSegment(body)
    if (segment === undefined) return
    const key = `${segment.sourcePort} ${destination} ${segment.destinationPort}`
    const flow = this.#tcpFlows.get(key)
    if (flow !== undefined) flow.receive(segment)
    else if ((segment.flags & (tcpFlags.syn | tcpFlags.ack | tcpFlags.rst)) === tcpFlags.syn)
      this.#connect(key, destination, segment)
    else if (!(segment.flags & tcpFlags.rst)) this.#refuse(destination, segment)
  }

  #connect(key: string, address: Address, first: Segment): void {
    const port = first.destinationPort
    if (this.#tcpFlows.size >= maxTcpFlows || !this.#means.reach.permits(address, port)) {
      this.#refuse(address, first)
      return
    }
    const flow = new TcpFlow(first, (this.#means.dial ?? dial)(address, port), {
      send: (segment) => this.#means.send(segmentFrame({ address, port }, first.sourcePort, segment)),
      ended: () => this.#tcpFlows.delete(key),
    })
    this.#tcpFlows.set(key, flow)
  }

  /** Says at once that there is no such connection, rather than let the guest wait for an answer. */
  #refuse(address: Address, segment: Segment): void {
    const { sequence, acknowledgment, flags, data, sourcePort, destinationPort } = segment
    const numbers = data.length + (flags & tcpFlags.syn ? 1 : 0) + (flags & tcpFlags.fin ? 1 : 0)
    const answer =
      flags & tcpFlags.ack
        ? { sequence: acknowledgment, acknowledgment: 0, flags: tcpFlags.rst }
        : { sequence: 0, acknowledgment: (sequence + numbers) >>> 0, flags: tcpFlags.rst | tcpFlags.ack }
    this.#means.send(segmentFrame({ address, port: destinationPort }, sourcePort, { window: 0, ...answer }))
  }

  #receiveUdp({ destination, body }: Packet): void {
    const datagram = parseDatagram(body)
    if (datagram === undefined) return
    if (destination === gatewayAddress && datagram.destinationPort === dnsPort)
      void this.#answerName(datagram)
    else this.#forward(destination, datagram)
  }

  async #answerName({ sourcePort, data }: Datagram): Promise<void> {
    const answer = await this.#names.answer(Buffer.from(data))
    if (answer === undefined || this.#closed) return
    this.#means.send(datagramFrame({ address: gatewayAddress, port: dnsPort }, sourcePort, answer))
  }

  #forward(address: Address, { sourcePort, destinationPort, data }: Datagram): void {
    const key = `${sourcePort} ${address} ${destinationPort}`
    const flow = this.#udpFlows.get(key) ?? this.#openUdp(key, address, sourcePort, destinationPort)
    if (data.length <= longestDatagram) flow?.send(data)
  }

  #openUdp(key: string, address: Address, guestPort: number, port: number): Exchange | undefined {
    if (!this.#means.reach.permits(address, port)) return undefined
    const [oldest] = this.#udpFlows.values()
    if (this.#udpFlows.size >= maxUdpFlows) oldest?.close()
    const flow = (this.#means.openUdp ?? openUdp)(address, port, {
      deliver: (data) => this.#means.send(datagramFrame({ address, port }, guestPort, data)),
      ended: () => this.#udpFlows.delete(key),
    })
    this.#udpFlows.set(key, flow)
    return flow
  }
}

function dial(address: Address, port: number): Socket {
  return connect({ host: formatAddress(address), port, family: 4, allowHalfOpen: true })
}

function openUdp(address: Address, port: number, handlers: UdpFlowHandlers): UdpFlow {
  return new UdpFlow(address, port, handlers)
}
