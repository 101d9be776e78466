import fc from "fast-check"
import {
  channels,
  encodeCredit,
  encodeFrame,
  frameRules,
  frameTypes,
  limits,
  magic,
  protocolVersion,
  type FrameType,
} from "../agent/frame.js"

/** Something that a guest sends, which need not make sense. */
interface Move {
  /** For the report of a failing test. */
  readonly what: string
  readonly bytes: Uint8Array
}

const types = Object.keys(frameTypes) as FrameType[]

/** Messages that are right somewhere, so that they can come where they are wrong. */
const messages = [
  { ok: true },
  { ok: true, uptimeMs: 1 },
  { ok: true, syncUs: 1, wrote: true },
  { ok: true, truncated: false },
  { ok: true, size: 3 },
  { ok: true, digests: [null] },
  { ok: true, exitCode: 0, signal: null, guestUs: 1, syncUs: 1 },
  { ok: false, code: "io", message: "no" },
  { nonce: "0".repeat(32), protocol: 1, agentVersion: "1", ready: true },
]

const json = fc.oneof(
  fc.constantFrom(...messages.map((message) => JSON.stringify(message))),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom("[".repeat(4000), '{"__proto__":{"ok":true}}', '"\\ud800"', "1e999"),
)

const credit = fc
  .record({
    channel: fc.constantFrom(...(Object.keys(channels) as (keyof typeof channels)[])),
    bytes: fc.oneof(fc.nat({ max: limits.inputWindow }), fc.constant(0xffffffff)),
  })
  .map(encodeCredit)

const payload = fc.oneof(
  json.map((text): Uint8Array => Buffer.from(text)),
  fc.uint8Array({ maxLength: 300 }),
  credit,
  fc.constantFrom(limits.data, limits.event, 1).map((length) => new Uint8Array(length)),
)

/** Streams that are open, soon will be, or never were. */
const stream = fc.oneof(fc.nat({ max: 10 }), fc.constant(0xffffffff))

const frame = fc.record({ type: fc.constantFrom(...types), stream, payload })

/** A frame whose outside is right, whatever is in it and wherever it goes. */
const wellFormed = frame
  .filter(({ type, stream, payload: { length } }) => {
    const { min, max, onStream } = frameRules[type]
    return length >= min && length <= max && onStream === (stream !== 0)
  })
  .map(({ type, stream, payload }): Move => ({
    what: `${type} on ${stream}`,
    bytes: encodeFrame(type, stream, payload),
  }))

/** A frame whose header says what it likes about its length, its version and its type. */
const liar = fc
  .record({
    frame,
    length: fc.oneof(fc.nat({ max: limits.request }), fc.constantFrom(0x7fffffff, 0xffffffff)),
    version: fc.constantFrom(protocolVersion, 0, 255),
    type: fc.integer({ min: 0, max: 255 }),
  })
  .map(({ frame: { stream, payload }, length, version, type }): Move => {
    const header = Buffer.alloc(limits.header)
    header.writeUInt16BE(magic, 0)
    header.writeUInt8(version, 2)
    header.writeUInt8(type, 3)
    header.writeUInt32BE(stream, 4)
    header.writeUInt32BE(length, 8)
    const what = `type ${type} on ${stream} that claims ${length} bytes and has ${payload.length}`
    return { what, bytes: Buffer.concat([header, payload]) }
  })

const noise = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes): Move => ({ what: "noise", bytes }))

const flood = fc
  .record({ move: wellFormed, times: fc.integer({ min: 2, max: 200 }) })
  .map(({ move, times }): Move => ({
    what: `${times} times ${move.what}`,
    bytes: Buffer.concat(Array.from({ length: times }, () => move.bytes)),
  }))

/** What a hostile guest sends one after the other. Most of it is well-formed, since anything else ends the session. */
export const hostileMoves = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: wellFormed },
    { weight: 2, arbitrary: flood },
    { weight: 1, arbitrary: liar },
    { weight: 1, arbitrary: noise },
  ),
  { maxLength: 30 },
)
