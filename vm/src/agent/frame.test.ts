import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ProtocolError } from "./errors.js"
import {
  encodeCredit,
  encodeFrame,
  encodeResize,
  FrameDecoder,
  frameRules,
  limits,
  parseCredit,
  type Frame,
  type FrameType,
} from "./frame.js"

interface Vectors {
  valid: { type: FrameType; stream: number; payload: string; frame: string }[]
  invalid: { why: string; frame: string }[]
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../agent/testdata/frames.json", import.meta.url), "utf8"),
) as Vectors

const frames = fc.constantFrom(...(Object.keys(frameRules) as FrameType[])).chain((type) => {
  const { min, max, onStream } = frameRules[type]
  return fc.record({
    type: fc.constant(type),
    stream: onStream ? fc.integer({ min: 1, max: 0xffffffff }) : fc.constant(0),
    payload: fc.uint8Array({ minLength: min, maxLength: Math.min(max, min + 200) }),
  })
})

const isOutput = ({ type }: Frame) => type === "STDOUT" || type === "STDERR"

/** The same frames, with output that follows output of its stream and channel put together. */
function together(list: readonly Frame[]): Frame[] {
  const whole: Frame[] = []
  for (const frame of list) {
    const last = whole.at(-1)
    if (last !== undefined && isOutput(frame) && last.type === frame.type && last.stream === frame.stream)
      whole[whole.length - 1] = { ...last, payload: Buffer.concat([last.payload, frame.payload]) }
    else whole.push(frame)
  }
  return whole
}

function plain(frame: Frame): unknown {
  return { ...frame, payload: Buffer.from(frame.payload).toString("hex") }
}

/** Cuts bytes at the given places, which wrap around. */
function pieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length))
}

describe("frames", () => {
  it.each(vectors.valid)("encodes and decodes $type as agreed", ({ type, stream, payload, frame }) => {
    expect(encodeFrame(type, stream, Buffer.from(payload, "hex")).toString("hex")).toBe(frame)
    expect(new FrameDecoder().push(Buffer.from(frame, "hex")).map(plain)).toEqual([{ type, stream, payload }])
  })

  it.each(vectors.invalid)("refuses $why", ({ frame }) => {
    expect(() => new FrameDecoder().push(Buffer.from(frame, "hex"))).toThrow(ProtocolError)
  })

  it("survive a round trip, in pieces of any size", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (list, cuts) => {
        const bytes = Buffer.concat(
          list.map(({ type, stream, payload }) => encodeFrame(type, stream, payload)),
        )
        const decoder = new FrameDecoder()
        const decoded = pieces(bytes, cuts).flatMap((piece) => decoder.push(piece))
        expect(decoded.every(({ type, payload }) => payload.length >= frameRules[type].min)).toBe(true)
        expect(together(decoded).map(plain)).toEqual(together(list).map(plain))
      }),
    )
  })

  it("of output are given as they come, without waiting for their end", () => {
    const decoder = new FrameDecoder()
    const frame = encodeFrame("STDOUT", 7, Buffer.from("output"))
    expect(decoder.push(frame.subarray(0, 14)).map(plain)).toEqual([
      { type: "STDOUT", stream: 7, payload: Buffer.from("ou").toString("hex") },
    ])
    expect(decoder.push(Buffer.concat([frame.subarray(14), encodeFrame("CANCEL", 8)])).map(plain)).toEqual([
      { type: "STDOUT", stream: 7, payload: Buffer.from("tput").toString("hex") },
      { type: "CANCEL", stream: 8, payload: "" },
    ])
  })

  it("are what arbitrary bytes give, or a ProtocolError", () => {
    const start = fc
      .constantFrom("4f5301", "4f530107", "4f53010700000001", "")
      .map((hex) => Buffer.from(hex, "hex"))
    fc.assert(
      fc.property(
        start,
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (head, tail, cuts) => {
          const decoder = new FrameDecoder()
          try {
            for (const piece of pieces(Buffer.concat([head, tail]), cuts)) {
              for (const { type, stream, payload } of decoder.push(piece)) encodeFrame(type, stream, payload)
            }
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        },
      ),
    )
  })

  it("that break a rule are not encoded", () => {
    expect(() => encodeFrame("STDIN", 0, Buffer.alloc(1))).toThrow(RangeError)
    expect(() => encodeFrame("STDIN", 1, Buffer.alloc(limits.data + 1))).toThrow(RangeError)
    expect(() => encodeFrame("CANCEL", 1, Buffer.alloc(1))).toThrow(RangeError)
  })
})

describe("payloads", () => {
  it("of credit survive a round trip", () => {
    const credit = fc.record({
      channel: fc.constantFrom("stdin" as const, "stdout" as const, "stderr" as const),
      bytes: fc.integer({ min: 0, max: 0xffffffff }),
    })
    fc.assert(
      fc.property(credit, (one) => {
        expect(parseCredit(encodeCredit(one))).toEqual(one)
      }),
    )
  })

  it("of credit name a channel that exists", () => {
    expect(() => parseCredit(Buffer.from([3, 0, 0, 0, 1]))).toThrow(ProtocolError)
  })

  it("of resize are columns, then rows", () => {
    expect(encodeResize(80, 24).toString("hex")).toBe("00500018")
  })
})
