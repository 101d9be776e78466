import fc from "fast-check"
import { expect, it } from "vitest"
import { SignedLinks } from "./signed-links.js"

const key = new Uint8Array(32).fill(7)
const target = { sandboxId: 3, port: 8080 }

it("lets the bearer in until it expires", () => {
  let now = 1_000_400
  const links = new SignedLinks(key, () => now)
  const { token, expiresAt } = links.sign(target, 10)
  expect(expiresAt.getTime()).toBe(1_011_000)
  expect(links.secondsLeft(target, token)).toBe(11)
  now = 1_010_999
  expect(links.secondsLeft(target, token)).toBe(1)
  now = 1_011_000
  expect(links.secondsLeft(target, token)).toBeUndefined()
})

it("lets nobody in anywhere else", () => {
  const links = new SignedLinks(key, () => 0)
  const { token } = links.sign(target, 10)
  expect(links.secondsLeft({ ...target, port: 8081 }, token)).toBeUndefined()
  expect(links.secondsLeft({ ...target, sandboxId: 4 }, token)).toBeUndefined()
  const others = new SignedLinks(new Uint8Array(32), () => 0)
  expect(others.secondsLeft(target, token)).toBeUndefined()
})

it("takes no token that was changed or made up", () => {
  const links = new SignedLinks(key, () => 0)
  const { token } = links.sign(target, 10)
  const [, signature = ""] = token.split(".")
  for (const changed of [
    "",
    ".",
    `11.${signature}`,
    `010.${signature}`,
    `${token} `,
    `${token}x`,
    token.slice(1),
  ]) {
    expect(links.secondsLeft(target, changed)).toBeUndefined()
  }
  fc.assert(
    fc.property(fc.string(), fc.nat(token.length), (text, at) => {
      const changed = token.slice(0, at) + text + token.slice(at + text.length)
      expect(links.secondsLeft(target, changed) !== undefined).toBe(changed === token)
    }),
  )
})
