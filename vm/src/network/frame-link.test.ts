import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { afterEach, beforeEach, expect, test } from "vitest"
import { poll } from "../deadline.js"
import { FrameLink } from "./frame-link.js"

const soon = 10_000

let server: Server
let machine: Socket
let link: FrameLink
let frames: Buffer[]

beforeEach(async () => {
  server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve))
  link = new FrameLink(connect((server.address() as AddressInfo).port, "127.0.0.1"))
  machine = await accepted
  frames = []
  link.onFrame((frame) => frames.push(Buffer.from(frame)))
})

afterEach(() => {
  link.close()
  machine.destroy()
  server.close()
})

function withLength(frame: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(frame.length)
  return Buffer.concat([length, frame])
}

test("finds frames however they are cut", async () => {
  const sent = Array.from({ length: 30 }, (_, n) => Buffer.alloc(n * 50, n))
  const bytes = Buffer.concat(sent.map(withLength))
  for (let at = 0; at < bytes.length; at += 333) {
    machine.write(bytes.subarray(at, at + 333))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await poll(soon, "all frames", () => (frames.length === sent.length ? true : undefined))
  expect(frames).toEqual(sent)
})

test("takes a flood of frames a few at a time, and loses none", async () => {
  const flood = Buffer.concat(Array.from({ length: 2_000 }, () => withLength(Buffer.alloc(60))))
  let most = 0
  let inThisTurn = 0
  link.onFrame((frame) => {
    frames.push(frame)
    inThisTurn += 1
    if (inThisTurn === 1) setImmediate(() => (inThisTurn = 0))
    most = Math.max(most, inThisTurn)
  })
  machine.write(flood)
  await poll(soon, "all frames", () => (frames.length === 2_000 ? true : undefined))
  expect(most).toBeLessThanOrEqual(200)
})

test("sends each frame with its length", async () => {
  const received: Buffer[] = []
  machine.on("data", (data: Buffer) => received.push(data))
  link.send(Buffer.from("frame"))
  link.send(Buffer.from("another"))
  const expected = Buffer.concat([withLength(Buffer.from("frame")), withLength(Buffer.from("another"))])
  await poll(soon, "both", () => (Buffer.concat(received).length === expected.length ? true : undefined))
  expect(Buffer.concat(received)).toEqual(expected)
})

test("a length that cannot be ends the link", async () => {
  machine.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
  await poll(soon, "the end", () =>
    machine.readableEnded || machine.destroyed ? true : (machine.resume(), undefined),
  )
  expect(frames).toEqual([])
})

test("what the guest does not take is dropped, not kept", () => {
  machine.pause()
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external
  for (let n = 0; n < 20_000; n++) link.send(Buffer.alloc(16_000))
  const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().external - before
  expect(grown).toBeLessThan(200_000_000)
})
