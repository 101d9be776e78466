import type { Address } from "./address.js"
import { linkMtu } from "./guest-link.js"
import { ipHeaderBytes, packetFrame, protocols } from "./ipv4.js"

const headerBytes = 8

/** The longest content that fits into one packet. */
export const longestDatagram = linkMtu - ipHeaderBytes - headerBytes

/** A datagram of the guest. */
export interface Datagram {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly data: Buffer
}

/** @returns undefined for one that is malformed. */
export function parseDatagram(body: Buffer): Datagram | undefined {
  if (body.length < headerBytes) return undefined
  const length = body.readUInt16BE(4)
  if (length < headerBytes || length > body.length) return undefined
  const [sourcePort, destinationPort] = [body.readUInt16BE(0), body.readUInt16BE(2)]
  if (sourcePort === 0 || destinationPort === 0) return undefined
  return { sourcePort, destinationPort, data: body.subarray(headerBytes, length) }
}

/** A frame with a datagram for the guest. */
export function datagramFrame(
  from: { address: Address; port: number },
  guestPort: number,
  data: Uint8Array,
): Buffer {
  const bodyBytes = headerBytes + data.length
  return packetFrame({ protocol: protocols.udp, source: from.address, bodyBytes, checksumAt: 6 }, (body) => {
    body.writeUInt16BE(from.port, 0)
    body.writeUInt16BE(guestPort, 2)
    body.writeUInt16BE(bodyBytes, 4)
    body.set(data, headerBytes)
  })
}
