import { connect, createServer, Socket, type AddressInfo, type Server } from "node:net"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { poll } from "../deadline.js"
import { FakeGuest, guestDatagram, guestFrame, guestSegment } from "../testing/fake-guest.js"
import { parseAddress } from "./address.js"
import { isForbidden } from "./forbidden-ranges.js"
import { gatewayAddress, guestAddress } from "./guest-link.js"
import type { NetworkPolicy } from "./network-policy.js"
import { Reach } from "./reach.js"
import { tcpFlags } from "./tcp-segment.js"

const peer = parseAddress("11.22.33.44") ?? 0
const soon = 10_000

function reachOf(policy: NetworkPolicy): Reach {
  return new Reach(policy, () => false)
}

const noLookup = () => Promise.reject(new Error("nobody asks"))

describe("a connection", () => {
  let server: Server
  let guest: FakeGuest
  /** The server's ends of connections: all, and those that no test has taken yet. */
  let accepted: Socket[]
  let waiting: Socket[]

  beforeEach(async () => {
    accepted = []
    waiting = []
    server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => undefined)
      accepted.push(socket)
      waiting.push(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    guest = new FakeGuest({
      reach: reachOf("internet"),
      lookup: noLookup,
      // Every address is the test's server.
      dial: () => connect({ port, host: "127.0.0.1", allowHalfOpen: true }),
    })
  })
  afterEach(async () => {
    guest.gateway.close()
    for (const socket of accepted) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  function nextAccepted(): Promise<Socket> {
    return poll(soon, "a connection", () => waiting.shift())
  }

  test("carries a lot both ways, and both ends of it", async () => {
    const connection = guest.connect(peer, 80)
    const socket = await nextAccepted()
    const [up, down] = [Buffer.alloc(3_000_000, "up, "), Buffer.alloc(2_000_000, "down; ")]
    const arrived: Buffer[] = []
    socket.on("data", (data: Buffer) => arrived.push(data))
    socket.once("end", () => socket.end(down))
    connection.send(up)
    connection.end()
    await poll(soon, "the other side's end", () => (connection.state === "ended" ? true : undefined))
    expect(Buffer.concat(arrived).equals(up)).toBe(true)
    expect(connection.received.equals(down)).toBe(true)
  })

  test("goes on after the other side has ended its half", async () => {
    const connection = guest.connect(peer, 80)
    const socket = await nextAccepted()
    socket.end("over")
    await poll(soon, "the end", () => (connection.state === "ended" ? true : undefined))
    const arrived: Buffer[] = []
    socket.on("data", (data: Buffer) => arrived.push(data))
    connection.send(Buffer.from("still here"))
    connection.end()
    await poll(soon, "the rest", () => (socket.destroyed ? true : undefined))
    expect(Buffer.concat(arrived).toString()).toBe("still here")
  })

  test("arrives whole when the guest loses frames", async () => {
    let count = 0
    guest.loses = () => ++count % 7 === 3
    const connection = guest.connect(peer, 80)
    const socket = await nextAccepted()
    const down = Buffer.alloc(300_000, "0123456789")
    socket.end(down)
    await poll(30_000, "all of it", () => (connection.state === "ended" ? true : undefined))
    expect(connection.received.equals(down)).toBe(true)
  })

  test("waits for a guest that has no room, and goes on when it has", async () => {
    const connection = guest.connect(peer, 80)
    const socket = await nextAccepted()
    await poll(soon, "the greeting", () => (connection.state === "open" ? true : undefined))
    connection.window = 0
    connection.acknowledge()
    const down = Buffer.alloc(1_000_000, "x")
    socket.end(down)
    // A byte at a time is asked for; no more comes, and the server's end gets stuck.
    await poll(soon, "a question for room", () => (connection.received.length > 0 ? true : undefined))
    expect(connection.received.length).toBeLessThan(100)
    connection.window = 0xffff
    connection.acknowledge()
    await poll(soon, "all of it", () => (connection.state === "ended" ? true : undefined))
    expect(connection.received.equals(down)).toBe(true)
  })

  test("takes no more of the guest than the other side reads", async () => {
    const connection = guest.connect(peer, 80)
    const socket = await nextAccepted()
    socket.pause()
    connection.send(Buffer.alloc(64_000_000))
    await poll(soon, "the guest to be stopped", () => (connection.room === 0 ? true : undefined))
    const stopped = connection.taken
    expect(stopped).toBeLessThan(32_000_000)
    socket.resume()
    await poll(soon, "the guest to go on", () => (connection.taken > stopped ? true : undefined))
  })

  test("that nobody takes is refused", async () => {
    await new Promise((resolve) => server.close(resolve))
    const connection = guest.connect(peer, 80)
    await poll(soon, "the refusal", () => (connection.state === "reset" ? true : undefined))
  })

  test("that the other side breaks is broken, and one that the guest breaks too", async () => {
    const broken = guest.connect(peer, 80)
    ;(await nextAccepted()).resetAndDestroy()
    await poll(soon, "the guest to hear of it", () => (broken.state === "reset" ? true : undefined))

    const breaking = guest.connect(peer, 80)
    const socket = await nextAccepted()
    socket.resume()
    await poll(soon, "the greeting", () => (breaking.state === "open" ? true : undefined))
    breaking.reset()
    await poll(soon, "the server to hear of it", () =>
      socket.readableEnded || socket.destroyed ? true : undefined,
    )
  })

  test("is one of a limited number", async () => {
    const connections = Array.from({ length: 257 }, () => guest.connect(peer, 80))
    await poll(soon, "all but one", () =>
      connections.filter(({ state }) => state === "open").length === 256 ? true : undefined,
    )
    expect(connections.at(-1)?.state).toBe("reset")
  })
})

test("what is out of reach is refused at once, without a connection", async () => {
  const dialled: unknown[] = []
  const guest = new FakeGuest({
    reach: reachOf({ allow: ["11.22.33.44:443"] }),
    lookup: noLookup,
    dial: (...to) => {
      dialled.push(to)
      return new Socket()
    },
  })
  const places = [
    [peer, 80] as const,
    [parseAddress("10.0.0.1") ?? 0, 443] as const,
    [gatewayAddress, 53] as const,
  ]
  const connections = places.map(([address, port]) => guest.connect(address, port))
  await poll(soon, "the refusals", () =>
    connections.every(({ state }) => state === "reset") ? true : undefined,
  )
  expect(dialled).toEqual([])
})

test("datagrams go where they may and come back; others go nowhere", () => {
  const sent: [number, number, string][] = []
  const answers: ((data: Buffer) => void)[] = []
  const guest = new FakeGuest({
    reach: reachOf({ allow: ["11.22.33.44:123"] }),
    lookup: noLookup,
    openUdp: (address, port, { deliver }) => {
      answers.push(deliver)
      return { send: (data) => sent.push([address, port, data.toString()]), close: () => undefined }
    },
  })
  guest.sendDatagram(peer, 123, Buffer.from("one"))
  guest.sendDatagram(peer, 123, Buffer.from("two"))
  guest.sendDatagram(peer, 124, Buffer.from("three"))
  guest.sendDatagram(parseAddress("255.255.255.255") ?? 0, 123, Buffer.from("four"))
  expect(sent).toEqual([
    [peer, 123, "one"],
    [peer, 123, "two"],
  ])
  expect(answers).toHaveLength(1)
  answers[0]?.(Buffer.from("answer"))
  expect(
    guest.datagrams.map(({ sourcePort, destinationPort, data }) => [
      sourcePort,
      destinationPort,
      data.toString(),
    ]),
  ).toEqual([[123, 50_000, "answer"]])
})

test("the guest learns the gateway's hardware address, and no other", () => {
  const guest = new FakeGuest({ reach: reachOf("internet"), lookup: noLookup })
  const question = (about: number) => {
    const frame = Buffer.alloc(42)
    Buffer.from("ffffffffffff026f736200020806000108000604000102" + "6f73620002", "hex").copy(frame)
    frame.writeUInt32BE(guestAddress, 28)
    frame.writeUInt32BE(about, 38)
    return frame
  }
  guest.gateway.receive(question(gatewayAddress + 1))
  expect(guest.frames).toEqual([])
  guest.gateway.receive(question(gatewayAddress))
  expect(guest.frames.map((frame) => frame.subarray(0, 28).toString("hex"))).toEqual([
    "026f73620002026f736200010806" + "0001080006040002026f73620001",
  ])
})

describe("whatever the guest sends", () => {
  const anyAddress = fc.oneof(
    fc.nat(0xffffffff),
    fc
      .constantFrom(
        "127.0.0.1",
        "10.0.2.2",
        "169.254.169.254",
        "192.168.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "11.22.33.44",
      )
      .map((text) => parseAddress(text) ?? 0),
  )
  const anyPort = fc.nat(0xffff)
  const anySegment = fc
    .record({
      from: anyPort,
      to: anyPort,
      sequence: fc.nat(0xffffffff),
      acknowledgment: fc.nat(0xffffffff),
      flags: fc.oneof(fc.constant<number>(tcpFlags.syn), fc.nat(0xff)),
      data: fc.uint8Array({ maxLength: 50 }),
    })
    .map(({ from, to, ...fields }) => guestSegment({ from, to }, fields))
  const anyDatagram = fc
    .tuple(anyPort, anyPort, fc.uint8Array({ maxLength: 300 }))
    .map((parts) => guestDatagram(...parts))
  const honest = fc
    .tuple(
      anyAddress,
      fc.oneof(
        anySegment.map((body) => [6, body] as const),
        anyDatagram.map((body) => [17, body] as const),
      ),
    )
    .map(([destination, [protocol, body]]) => guestFrame({ protocol, destination, body }))
  /** Frames that were right until some of their bytes were changed or cut off. */
  const damaged = fc
    .tuple(honest, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }), fc.nat(120))
    .map(([frame, changes, length]) => {
      for (const [place, value] of changes) if (place < frame.length) frame[place] = value
      return frame.subarray(0, Math.max(length, 1))
    })
  const anyFrame = fc.oneof(
    honest,
    damaged,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  )

  test.each<NetworkPolicy>(["internet", { allow: ["0.0.0.0/0:80", "11.22.33.44"] }, "none"])(
    "with %j, nothing that is out of reach is ever spoken to, and nothing breaks",
    (policy) => {
      fc.assert(
        fc.property(fc.array(anyFrame, { maxLength: 30 }), (frames) => {
          const spokenTo: [number, number][] = []
          const guest = new FakeGuest({
            reach: reachOf(policy),
            lookup: noLookup,
            dial: (...to) => {
              spokenTo.push(to)
              return new Socket()
            },
            openUdp: (address, port) => {
              spokenTo.push([address, port])
              return { send: () => undefined, close: () => undefined }
            },
          })
          for (const frame of frames) guest.gateway.receive(frame)
          guest.gateway.close()
          for (const [address, port] of spokenTo) {
            expect(isForbidden(address)).toBe(false)
            expect(policy === "internet" || port === 80 || address === peer).toBe(true)
          }
          if (policy === "none") expect(spokenTo).toEqual([])
        }),
        { numRuns: 300 },
      )
    },
  )

  test.each([
    [
      "a fragment",
      guestFrame({
        protocol: 17,
        destination: peer,
        body: guestDatagram(1, 2, Buffer.from("x")),
        fragment: 0x2000,
      }),
    ],
    [
      "the rest of a fragment",
      guestFrame({
        protocol: 17,
        destination: peer,
        body: guestDatagram(1, 2, Buffer.from("x")),
        fragment: 5,
      }),
    ],
    [
      "another's address",
      guestFrame({
        protocol: 17,
        destination: peer,
        body: guestDatagram(1, 2, Buffer.from("x")),
        source: peer,
      }),
    ],
    [
      "another's hardware address",
      guestFrame(
        { protocol: 17, destination: peer, body: guestDatagram(1, 2, Buffer.from("x")) },
        { from: "02:00:00:00:00:09" },
      ),
    ],
    [
      "a frame for somebody else",
      guestFrame(
        { protocol: 17, destination: peer, body: guestDatagram(1, 2, Buffer.from("x")) },
        { to: "02:00:00:00:00:09" },
      ),
    ],
    ["another protocol", guestFrame({ protocol: 47, destination: peer, body: Buffer.alloc(40) })],
  ])("%s is dropped", (_, frame) => {
    const spokenTo: unknown[] = []
    const guest = new FakeGuest({
      reach: reachOf("internet"),
      lookup: noLookup,
      openUdp: (...to) => {
        spokenTo.push(to)
        return { send: () => undefined, close: () => undefined }
      },
    })
    guest.gateway.receive(frame)
    expect([spokenTo, guest.frames]).toEqual([[], []])
  })
})
