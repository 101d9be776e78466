import type { Address } from "./address.js"
import { linkMtu } from "./guest-link.js"
import { ipHeaderBytes, packetFrame, protocols } from "./ipv4.js"

const headerBytes = 20

/** The most data that fits into one segment. */
export const longestSegment = linkMtu - ipHeaderBytes - headerBytes

export const tcpFlags = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const

/** A segment of the guest. */
export interface Segment {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgment: number
  /** Bits of `tcpFlags`. */
  readonly flags: number
  readonly window: number
  /** The option that says how much data a segment may carry, if it is there. */
  readonly maxSegment: number | undefined
  /** The option that says by how many bits windows are shifted, if it is there. */
  readonly windowShift: number | undefined
  readonly data: Buffer
}

/** A segment for the guest. */
export interface OutgoingSegment {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  /** With both, the segment begins a connection. */
  readonly maxSegment?: number
  readonly windowShift?: number | undefined
  readonly data?: Buffer
}

/** @returns undefined for one that is malformed. */
export function parseSegment(body: Buffer): Segment | undefined {
  if (body.length < headerBytes) return undefined
  const dataAt = (body.readUInt8(12) >> 4) * 4
  if (dataAt < headerBytes || dataAt > body.length) return undefined
  const [sourcePort, destinationPort] = [body.readUInt16BE(0), body.readUInt16BE(2)]
  if (sourcePort === 0 || destinationPort === 0) return undefined
  return {
    sourcePort,
    destinationPort,
    sequence: body.readUInt32BE(4),
    acknowledgment: body.readUInt32BE(8),
    flags: body.readUInt8(13),
    window: body.readUInt16BE(14),
    ...parseOptions(body.subarray(headerBytes, dataAt)),
    data: body.subarray(dataAt),
  }
}

const optionKinds = { end: 0, padding: 1, maxSegment: 2, windowShift: 3 } as const

/** The largest shift that the standard allows. */
const maxWindowShift = 14

function parseOptions(options: Buffer): Pick<Segment, "maxSegment" | "windowShift"> {
  let maxSegment: number | undefined
  let windowShift: number | undefined
  for (let at = 0; at < options.length;) {
    const kind = options.readUInt8(at)
    if (kind === optionKinds.end) break
    if (kind === optionKinds.padding) {
      at += 1
      continue
    }
    const length = options[at + 1] ?? 0
    if (length < 2 || at + length > options.length) break
    if (kind === optionKinds.maxSegment && length === 4) maxSegment = options.readUInt16BE(at + 2)
    if (kind === optionKinds.windowShift && length === 3)
      windowShift = Math.min(options.readUInt8(at + 2), maxWindowShift)
    at += length
  }
  return { maxSegment, windowShift }
}

/** A frame with a segment for the guest. */
export function segmentFrame(
  from: { address: Address; port: number },
  guestPort: number,
  segment: OutgoingSegment,
): Buffer {
  const options = encodeOptions(segment)
  const data = segment.data ?? Buffer.alloc(0)
  const bodyBytes = headerBytes + options.length + data.length
  return packetFrame({ protocol: protocols.tcp, source: from.address, bodyBytes, checksumAt: 16 }, (body) => {
    body.writeUInt16BE(from.port, 0)
    body.writeUInt16BE(guestPort, 2)
    body.writeUInt32BE(segment.sequence, 4)
    body.writeUInt32BE(segment.acknowledgment, 8)
    body.writeUInt8(((headerBytes + options.length) / 4) << 4, 12)
    body.writeUInt8(segment.flags, 13)
    body.writeUInt16BE(segment.window, 14)
    body.set(options, headerBytes)
    body.set(data, headerBytes + options.length)
  })
}

function encodeOptions({ maxSegment, windowShift }: OutgoingSegment): Uint8Array {
  if (maxSegment === undefined) return new Uint8Array(0)
  const size = [optionKinds.maxSegment, 4, maxSegment >> 8, maxSegment & 0xff]
  const shift =
    windowShift === undefined ? [] : [optionKinds.padding, optionKinds.windowShift, 3, windowShift]
  return Uint8Array.from([...size, ...shift])
}
