import { ProtocolError } from "./errors.js"
import { limits } from "./frame.js"

/** What a process printed, in the order in which it came. */
export type OutputPiece =
  | {
      readonly kind: "stdout" | "stderr"
      /** A view that is good only until the handler's promise settles. */
      readonly bytes: Uint8Array
      /** The offset of what follows, in all that the process ever prints. */
      readonly next: number
    }
  | {
      /** So many bytes were overwritten before they could be read. */
      readonly kind: "skipped"
      readonly count: number
      readonly next: number
    }

/** Bytes of what stands before each piece: u8 kind, u64 next, u32 length. */
const headerSize = 13

const skippedSize = 8

const kinds = ["skipped", "stdout", "stderr"] as const

/** Turns the output of the request `output`, in pieces of any size, into what the process printed. */
export class OutputRecords {
  #rest = Buffer.alloc(0);

  /** @throws ProtocolError at what is no record. */
  *push(bytes: Uint8Array): Generator<OutputPiece> {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (buffer.length >= headerSize) {
      const end = headerSize + lengthOf(buffer)
      if (buffer.length < end) break
      yield pieceOf(buffer.subarray(0, end))
      buffer = buffer.subarray(end)
    }
    // A copy, so that a few bytes do not keep a large piece alive.
    this.#rest = Buffer.from(buffer)
  }

  /** @throws ProtocolError when a record is not complete. */
  end(): void {
    if (this.#rest.length > 0) throw new ProtocolError("a piece of output that breaks off")
  }
}

/** The length of the first record, once its header is believed. */
function lengthOf(buffer: Buffer): number {
  const kind = kinds[buffer.readUInt8(0)]
  const length = buffer.readUInt32BE(9)
  const fits = kind === "skipped" ? length === skippedSize : length > 0 && length <= limits.data - headerSize
  if (kind === undefined || !fits) throw new ProtocolError("these bytes begin no piece of output")
  return length
}

function pieceOf(record: Buffer): OutputPiece {
  const kind = kinds[record.readUInt8(0)] ?? "skipped"
  const next = safe(record.readBigUInt64BE(1))
  const bytes = record.subarray(headerSize)
  if (kind === "skipped") return { kind, count: safe(bytes.readBigUInt64BE(0)), next }
  return { kind, bytes, next }
}

function safe(number: bigint): number {
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError("an offset that no output has")
  return Number(number)
}
