import type { Address } from "./address.js"
import { etherTypes, ethernetHeaderBytes, writeHeader } from "./ethernet.js"
import { guestAddress, linkMtu } from "./guest-link.js"

/** Bytes of a header; one with options is longer, and refused. */
export const ipHeaderBytes = 20

export const protocols = { tcp: 6, udp: 17 } as const

const dontFragment = 0x4000
const timeToLive = 64

/** A packet of the guest. */
export interface Packet {
  readonly protocol: number
  readonly destination: Address
  readonly body: Buffer
}

/**
 * Reads a packet of the guest.
 *
 * @returns undefined for one that is malformed, a fragment, has options, or claims to come from another address.
 */
export function parsePacket(bytes: Buffer): Packet | undefined {
  if (bytes.length < ipHeaderBytes || bytes[0] !== 0x45) return undefined
  const length = bytes.readUInt16BE(2)
  const fragment = bytes.readUInt16BE(6) & ~dontFragment
  if (length < ipHeaderBytes || length > bytes.length || length > linkMtu || fragment !== 0) return undefined
  if (bytes.readUInt32BE(12) !== guestAddress) return undefined
  return {
    protocol: bytes.readUInt8(9),
    destination: bytes.readUInt32BE(16),
    body: bytes.subarray(ipHeaderBytes, length),
  }
}

/**
 * Makes a frame with a packet for the guest.
 *
 * @param bodyBytes How long the packet's body is.
 * @param write Fills the body in, all but its checksum, which is at `checksumAt` and gets added.
 */
export function packetFrame(
  packet: { protocol: number; source: Address; bodyBytes: number; checksumAt: number },
  write: (body: Buffer) => void,
): Buffer {
  const { protocol, source, bodyBytes, checksumAt } = packet
  const frame = Buffer.alloc(ethernetHeaderBytes + ipHeaderBytes + bodyBytes)
  writeHeader(frame, etherTypes.ipv4)
  const ip = frame.subarray(ethernetHeaderBytes)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt16BE(ip.length, 2)
  ip.writeUInt16BE(dontFragment, 6)
  ip.writeUInt8(timeToLive, 8)
  ip.writeUInt8(protocol, 9)
  ip.writeUInt32BE(source, 12)
  ip.writeUInt32BE(guestAddress, 16)
  ip.writeUInt16BE(checksum(sum(ip.subarray(0, ipHeaderBytes))), 10)
  const body = ip.subarray(ipHeaderBytes)
  write(body)
  // Both addresses, the protocol and the length count as if they were in the body.
  const pseudoHeader = sum(ip.subarray(12, ipHeaderBytes)) + protocol + bodyBytes
  body.writeUInt16BE(checksum(pseudoHeader + sum(body)), checksumAt)
  return frame
}

/** The sum of the numbers of 16 bits that the bytes are; it fits into a number as long as a packet does. */
function sum(bytes: Buffer): number {
  let total = 0
  const even = bytes.length & ~1
  for (let at = 0; at < even; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  return even === bytes.length ? total : total + ((bytes[even] ?? 0) << 8)
}

function checksum(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}
