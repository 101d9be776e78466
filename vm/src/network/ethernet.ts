import { gatewayAddress, gatewayMac, guestAddress, guestMac } from "./guest-link.js"

/** Bytes of a frame's header. */
export const ethernetHeaderBytes = 14

/** What a frame carries. */
export const etherTypes = { ipv4: 0x0800, arp: 0x0806 } as const

const gatewayMacBytes = macBytes(gatewayMac)
const guestMacBytes = macBytes(guestMac)
const broadcastMac = macBytes("ff:ff:ff:ff:ff:ff")

/**
 * Reads a frame of the guest.
 *
 * @returns what it carries; undefined for one that is too short, from another's hardware address, or for somebody else.
 */
export function parseFrame(frame: Buffer): { type: number; payload: Buffer } | undefined {
  if (frame.length < ethernetHeaderBytes) return undefined
  if (!frame.subarray(6, 12).equals(guestMacBytes)) return undefined
  const type = frame.readUInt16BE(12)
  const destination = frame.subarray(0, 6)
  const forGateway =
    destination.equals(gatewayMacBytes) || (type === etherTypes.arp && destination.equals(broadcastMac))
  return forGateway ? { type, payload: frame.subarray(ethernetHeaderBytes) } : undefined
}

/** Writes the header of a frame from the gateway to the guest. */
export function writeHeader(frame: Buffer, type: number): void {
  guestMacBytes.copy(frame, 0)
  gatewayMacBytes.copy(frame, 6)
  frame.writeUInt16BE(type, 12)
}

/** Ethernet, IPv4, the lengths of their addresses, and that it is a question. */
const arpQuestion = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1])

const arpBytes = 28

/** The frame that answers the guest's question for the gateway's hardware address; undefined for any other question. */
export function answerArp(question: Buffer): Buffer | undefined {
  if (question.length < arpBytes || !question.subarray(0, 8).equals(arpQuestion)) return undefined
  if (question.readUInt32BE(14) !== guestAddress || question.readUInt32BE(24) !== gatewayAddress)
    return undefined
  const frame = Buffer.alloc(ethernetHeaderBytes + arpBytes)
  writeHeader(frame, etherTypes.arp)
  const answer = frame.subarray(ethernetHeaderBytes)
  arpQuestion.copy(answer)
  answer.writeUInt16BE(2, 6)
  gatewayMacBytes.copy(answer, 8)
  answer.writeUInt32BE(gatewayAddress, 14)
  guestMacBytes.copy(answer, 18)
  answer.writeUInt32BE(guestAddress, 24)
  return frame
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex")
}
