import type { Address } from "./address.js"

const headerBytes = 12

/** The length of the longest name, as it is written in a message. */
const longestName = 255

const longestLabel = 63

/** The kinds of records that matter here. */
export const recordTypes = { a: 1 } as const

const classInternet = 1

/** What an answer says of the question. */
export const answerCodes = { ok: 0, failed: 2, noSuchName: 3, refused: 5 } as const

/** A question of the guest. */
export interface DnsQuestion {
  readonly id: number
  /** In lower case, without a dot at its end. */
  readonly name: string
  readonly type: number
  /** The question as it was written. */
  readonly bytes: Buffer
}

/** An address as an answer. */
export interface AddressRecord {
  readonly address: Address
  /** For how many seconds it holds. */
  readonly ttl: number
}

/** Reads a message with one question; undefined for anything else. */
export function parseQuestion(message: Buffer): DnsQuestion | undefined {
  if (message.length < headerBytes) return undefined
  // It is no answer, it is a plain question, and there is one.
  if ((message.readUInt16BE(2) & 0xf800) !== 0 || message.readUInt16BE(4) !== 1) return undefined
  const labels: string[] = []
  let at = headerBytes
  for (;;) {
    const length = message[at]
    if (length === undefined || length > longestLabel || at - headerBytes + length >= longestName)
      return undefined
    at += 1
    if (length === 0) break
    if (at + length > message.length) return undefined
    const label = message.toString("latin1", at, at + length).toLowerCase()
    if (!/^[a-z0-9_-]+$/.test(label)) return undefined
    labels.push(label)
    at += length
  }
  if (at + 4 > message.length || message.readUInt16BE(at + 2) !== classInternet) return undefined
  return {
    id: message.readUInt16BE(0),
    name: labels.join("."),
    type: message.readUInt16BE(at),
    bytes: message.subarray(headerBytes, at + 4),
  }
}

const answerFlags = 0x8180

const recordBytes = 16

/** Where the question's name is, for a record that has the same one. */
const pointerToName = 0xc000 | headerBytes

/** Writes the answer to a question. */
export function encodeAnswer(
  question: DnsQuestion,
  code: number,
  records: readonly AddressRecord[] = [],
): Buffer {
  const { id, bytes } = question
  const answer = Buffer.alloc(headerBytes + bytes.length + records.length * recordBytes)
  answer.writeUInt16BE(id, 0)
  answer.writeUInt16BE(answerFlags | code, 2)
  answer.writeUInt16BE(1, 4)
  answer.writeUInt16BE(records.length, 6)
  bytes.copy(answer, headerBytes)
  records.forEach(({ address, ttl }, index) => {
    const at = headerBytes + bytes.length + index * recordBytes
    answer.writeUInt16BE(pointerToName, at)
    answer.writeUInt16BE(recordTypes.a, at + 2)
    answer.writeUInt16BE(classInternet, at + 4)
    answer.writeUInt32BE(ttl, at + 6)
    answer.writeUInt16BE(4, at + 10)
    answer.writeUInt32BE(address, at + 12)
  })
  return answer
}
