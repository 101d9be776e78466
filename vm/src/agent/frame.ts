import { ProtocolError } from "./errors.js"

export const protocolVersion = 1

/** "OS", the first two bytes of every frame. */
export const magic = 0x4f53

export const limits = {
  /** Bytes of the header that every frame begins with. */
  header: 12,
  /** Bytes of input in one frame. */
  data: 32 * 1024 - 12,
  /** Bytes of output in one frame. */
  output: 128 * 1024 - 12,
  /** Bytes of JSON in a request. */
  request: 1024 * 1024,
  /** Bytes of JSON in a response. */
  response: 32 * 1024 - 12,
  /** Bytes of JSON in an event. */
  event: 8 * 1024,
  /** Bytes of JSON in a hello or a welcome. */
  greeting: 1024,
  /** Bytes of input that the host may be ahead of the credit granted to it, on each stream. */
  inputWindow: 256 * 1024,
  /** The same for each channel of output and the agent. Older agents have less. */
  outputWindow: 2048 * 1024,
  /** Streams that are open at one time. */
  streams: 256,
  /** Characters of a path; a path's text has at most as many as the path has bytes. */
  path: 4096,
  /** Paths in one request for digests: its response has room for no more. */
  digests: 256,
} as const

export const frameTypes = {
  HELLO: 1,
  WELCOME: 2,
  REQUEST: 3,
  RESPONSE: 4,
  STDIN: 5,
  STDIN_EOF: 6,
  STDOUT: 7,
  STDERR: 8,
  CREDIT: 9,
  CANCEL: 10,
  RESIZE: 11,
  EVENT: 12,
} as const

export type FrameType = keyof typeof frameTypes

/** What a frame of each type must look like: its payload's shortest and longest length, and whether it belongs to a stream. */
export const frameRules: Readonly<Record<FrameType, { min: number; max: number; onStream: boolean }>> = {
  HELLO: { min: 2, max: limits.greeting, onStream: false },
  WELCOME: { min: 2, max: limits.greeting, onStream: false },
  REQUEST: { min: 2, max: limits.request, onStream: true },
  RESPONSE: { min: 2, max: limits.response, onStream: true },
  STDIN: { min: 1, max: limits.data, onStream: true },
  STDIN_EOF: { min: 0, max: 0, onStream: true },
  STDOUT: { min: 1, max: limits.output, onStream: true },
  STDERR: { min: 1, max: limits.output, onStream: true },
  CREDIT: { min: 5, max: 5, onStream: true },
  CANCEL: { min: 0, max: 0, onStream: true },
  RESIZE: { min: 4, max: 4, onStream: true },
  EVENT: { min: 2, max: limits.event, onStream: true },
}

/** A direction of a command's data, as credit frames number it. */
export const channels = { stdin: 0, stdout: 1, stderr: 2 } as const

export interface Frame {
  readonly type: FrameType
  /** 0 for a frame that belongs to no stream. */
  readonly stream: number
  readonly payload: Uint8Array
}

const typeNames = new Map<number, FrameType>(
  Object.entries(frameTypes).map(([name, number]) => [number, name as FrameType]),
)

/** @throws RangeError when the frame breaks a rule. */
export function encodeFrame(type: FrameType, stream = 0, payload: Uint8Array = new Uint8Array()): Buffer {
  const rule = frameRules[type]
  if (payload.length < rule.min || payload.length > rule.max || (stream !== 0) !== rule.onStream) {
    throw new RangeError(`a ${type} frame of ${payload.length} bytes on stream ${stream} breaks the rules`)
  }
  const frame = Buffer.allocUnsafe(limits.header + payload.length)
  frame.writeUInt16BE(magic, 0)
  frame.writeUInt8(protocolVersion, 2)
  frame.writeUInt8(frameTypes[type], 3)
  frame.writeUInt32BE(stream, 4)
  frame.writeUInt32BE(payload.length, 8)
  frame.set(payload, limits.header)
  return frame
}

/** @throws ProtocolError when the first bytes of `bytes`, at least a header's length, are no header of a frame. */
function parseHeader(bytes: Buffer): { type: FrameType; stream: number; length: number } {
  const type = typeNames.get(bytes.readUInt8(3))
  const stream = bytes.readUInt32BE(4)
  const length = bytes.readUInt32BE(8)
  if (bytes.readUInt16BE(0) !== magic || bytes.readUInt8(2) !== protocolVersion || type === undefined) {
    throw new ProtocolError("these bytes begin no frame")
  }
  const rule = frameRules[type]
  if (length < rule.min || length > rule.max || (stream !== 0) !== rule.onStream) {
    throw new ProtocolError(`a ${type} frame of ${length} bytes on stream ${stream} breaks the rules`)
  }
  return { type, stream, length }
}

/** Output of the guest that is still to come of a frame whose header was read. */
interface Unfinished {
  readonly type: FrameType
  readonly stream: number
  readonly missing: number
}

/**
 * Turns bytes, in pieces of any size, into frames. A frame of output is given in as many parts as it comes in, each as if it
 * were a frame: nobody may make anything of where they end, and nothing of a long transfer is copied to be put together.
 * Of everything else it holds at most one frame that is not complete.
 */
export class FrameDecoder {
  #rest = Buffer.alloc(0)
  #unfinished: Unfinished | undefined

  /**
   * @returns the frames that the bytes complete, and the parts of output that they hold. Their payloads may share memory
   *   with `bytes`.
   * @throws ProtocolError at bytes that are no frame; the decoder is of no use then.
   */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      buffer = this.#takeOutput(buffer, frames)
      if (buffer.length < limits.header) break
      const { type, stream, length } = parseHeader(buffer)
      const end = limits.header + length
      if (type === "STDOUT" || type === "STDERR") {
        this.#unfinished = { type, stream, missing: length }
        buffer = buffer.subarray(limits.header)
        continue
      }
      if (buffer.length < end) break
      frames.push({ type, stream, payload: buffer.subarray(limits.header, end) })
      buffer = buffer.subarray(end)
    }
    // A copy, so that a few bytes do not keep a large piece alive.
    this.#rest = Buffer.from(buffer)
    return frames
  }

  /** @returns what follows the output that was still to come. */
  #takeOutput(buffer: Buffer, frames: Frame[]): Buffer {
    if (this.#unfinished === undefined || buffer.length === 0) return buffer
    const { type, stream, missing } = this.#unfinished
    const payload = buffer.subarray(0, missing)
    frames.push({ type, stream, payload })
    const left = missing - payload.length
    this.#unfinished = left === 0 ? undefined : { type, stream, missing: left }
    return buffer.subarray(payload.length)
  }
}

export interface Credit {
  readonly channel: keyof typeof channels
  readonly bytes: number
}

export function encodeCredit({ channel, bytes }: Credit): Buffer {
  const payload = Buffer.allocUnsafe(frameRules.CREDIT.max)
  payload.writeUInt8(channels[channel], 0)
  payload.writeUInt32BE(bytes, 1)
  return payload
}

const channelNames = ["stdin", "stdout", "stderr"] as const

/** @throws ProtocolError when it names no channel. */
export function parseCredit(payload: Uint8Array): Credit {
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const channel = channelNames[view.readUInt8(0)]
  if (channel === undefined) throw new ProtocolError("credit for a channel that does not exist")
  return { channel, bytes: view.readUInt32BE(1) }
}

export function encodeResize(cols: number, rows: number): Buffer {
  const payload = Buffer.allocUnsafe(frameRules.RESIZE.max)
  payload.writeUInt16BE(cols, 0)
  payload.writeUInt16BE(rows, 2)
  return payload
}
