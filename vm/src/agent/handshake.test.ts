import fc from "fast-check"
import { expect, it } from "vitest"
import { encodeFrame } from "./frame.js"
import { WelcomeFinder } from "./handshake.js"

const nonce = "0123456789abcdef0123456789abcdef"

function welcomeWith(welcomeNonce: string): Buffer {
  const message = { nonce: welcomeNonce, protocol: 1, agentVersion: "1", ready: true }
  return encodeFrame("WELCOME", 0, Buffer.from(JSON.stringify(message)))
}

const leftover = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(welcomeWith("f".repeat(32))),
  fc.constant(encodeFrame("STDOUT", 1, Buffer.from("OS"))),
  fc.constant(encodeFrame("WELCOME", 0, Buffer.from("{]"))),
  // The header of a welcome whose payload is what follows.
  fc.constant(Buffer.from("4f53010200000000000000ff", "hex")),
  fc.constant(Buffer.from("4f53010200000000ffffffff", "hex")),
  fc.integer({ min: 1, max: 20 }).map((length) => welcomeWith(nonce).subarray(0, length)),
)

it("finds the welcome after anything, in pieces of any size, and keeps what follows", () => {
  fc.assert(
    fc.property(
      fc.array(leftover, { maxLength: 6 }),
      fc.integer({ min: 1, max: 500 }),
      fc.uint8Array({ maxLength: 400 }),
      (before, size, after) => {
        // Long enough that every header above has its payload.
        const bytes = Buffer.concat([...before, welcomeWith(nonce), after, Buffer.alloc(300)])
        const finder = new WelcomeFinder(nonce)
        for (let at = 0; at < bytes.length; at += size) {
          const found = finder.push(bytes.subarray(at, at + size))
          if (found === undefined) continue
          expect(found.welcome).toMatchObject({ nonce, agentVersion: "1" })
          expect(Buffer.concat([found.rest, bytes.subarray(at + size)])).toEqual(
            bytes.subarray(bytes.length - 300 - after.length),
          )
          return
        }
        expect.fail("it was not found")
      },
    ),
  )
})

it("finds nothing in arbitrary bytes, and does not fail", () => {
  fc.assert(
    fc.property(fc.array(leftover), (pieces) => {
      const finder = new WelcomeFinder(nonce)
      for (const piece of pieces) if (piece.length > 20) expect(finder.push(piece)).toBeUndefined()
    }),
  )
})
