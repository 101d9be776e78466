import { type ParsedKey, utils } from "ssh2"
import { expect, it } from "vitest"
import { generateEd25519KeyPair } from "./ed25519-key-pair.js"

it("makes keys that sign and verify, every time", () => {
  // Enough keys that some begin with a zero, which is easily lost.
  for (let round = 0; round < 600; round++) {
    const { privateKey, publicKey } = generateEd25519KeyPair()
    const signature = parsed(privateKey).sign("message")

    expect(parsed(publicKey).verify("message", signature)).toBe(true)
  }
})

function parsed(text: string): ParsedKey {
  const key = utils.parseKey(text)
  if (key instanceof Error) throw key
  return key
}
