import fc from "fast-check"
import { expect, test } from "vitest"
import { parseAddress } from "./address.js"
import { parseQuestion } from "./dns-message.js"
import { NameService, type Lookup } from "./name-service.js"
import type { NetworkPolicy } from "./network-policy.js"
import { Reach } from "./reach.js"

const at = (text: string) => parseAddress(text) ?? -1

function question(name: string, type = 1): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)])
  return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1])
}

interface Answer {
  code: number
  addresses: number[]
}

/** What an answer says; its addresses are the last four bytes of each record of sixteen. */
function read(answer: Buffer | undefined): Answer | undefined {
  if (answer === undefined) return undefined
  const count = answer.readUInt16BE(6)
  const addresses = Array.from({ length: count }, (_, n) =>
    answer.readUInt32BE(answer.length - 16 * (count - n) + 12),
  )
  return { code: answer.readUInt16BE(2) & 0xf, addresses }
}

function ask(policy: NetworkPolicy, lookup: Lookup, isOwn: (address: number) => boolean = () => false) {
  const reach = new Reach(policy, isOwn)
  const names = new NameService(reach, lookup)
  return { reach, ask: async (message: Buffer) => read(await names.answer(message)) }
}

const found =
  (...addresses: string[]) =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address: at(address), ttl: 60 })))

function failsWith(code: string) {
  return () => Promise.reject(Object.assign(new Error(code), { code }))
}

test("answers with the addresses of a name, which can be reached from then on", async () => {
  const guest = ask({ allow: ["example.org:443"] }, found("11.22.33.44", "11.22.33.45"))
  expect(guest.reach.permits(at("11.22.33.44"), 443)).toBe(false)
  expect(await guest.ask(question("Example.ORG"))).toEqual({
    code: 0,
    addresses: [at("11.22.33.44"), at("11.22.33.45")],
  })
  expect(guest.reach.permits(at("11.22.33.44"), 443)).toBe(true)
  expect(guest.reach.permits(at("11.22.33.44"), 80)).toBe(false)
})

test("does not look up what is not allowed", async () => {
  const guest = ask({ allow: ["example.org", "20.0.0.0/8"] }, () =>
    Promise.reject(new Error("was looked up")),
  )
  expect(await guest.ask(question("secret-data.example.net"))).toEqual({ code: 5, addresses: [] })
})

test("a name that stands for an address out of reach gives none", async () => {
  for (const policy of ["internet", { allow: ["rebind.example"] }] as const) {
    const guest = ask(policy, found("127.0.0.1", "169.254.169.254", "10.0.0.1"))
    expect(await guest.ask(question("rebind.example"))).toEqual({ code: 5, addresses: [] })
    const mixed = ask(
      policy,
      found("192.168.0.1", "11.22.33.44", "11.22.33.45"),
      (address) => address === at("11.22.33.45"),
    )
    expect(await mixed.ask(question("rebind.example"))).toEqual({ code: 0, addresses: [at("11.22.33.44")] })
    expect(mixed.reach.permits(at("192.168.0.1"), 80)).toBe(false)
  }
})

test("says what the host's name server says", async () => {
  expect(await ask("internet", failsWith("ENOTFOUND")).ask(question("gone.example"))).toEqual({
    code: 3,
    addresses: [],
  })
  expect(await ask("internet", failsWith("ENODATA")).ask(question("mail.example"))).toEqual({
    code: 0,
    addresses: [],
  })
  expect(await ask("internet", failsWith("ESERVFAIL")).ask(question("ill.example"))).toEqual({
    code: 2,
    addresses: [],
  })
  expect(await ask("internet", found("11.22.33.44")).ask(question("six.example", 28))).toEqual({
    code: 0,
    addresses: [],
  })
})

test("answers so many questions at a time and no more", async () => {
  const waiting: (() => void)[] = []
  const guest = ask("internet", () => new Promise((resolve) => waiting.push(() => resolve([]))))
  const answers = Array.from({ length: 70 }, () => guest.ask(question("slow.example")))
  expect(waiting).toHaveLength(64)
  for (const answer of waiting) answer()
  expect((await Promise.all(answers)).filter((answer) => answer === undefined)).toHaveLength(6)
})

test("no message breaks it", async () => {
  const guest = ask("internet", found("11.22.33.44"))
  const damaged = fc
    .tuple(fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 5 }), fc.nat(40))
    .map(([changes, length]) => {
      const message = question("www.example.org")
      for (const [place, value] of changes) if (place < message.length) message[place] = value
      return message.subarray(0, length)
    })
  const anything = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes))
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, anything), async (message) => {
      const parsed = parseQuestion(message)
      expect((await guest.ask(message)) === undefined).toBe(parsed === undefined)
      if (parsed !== undefined) expect(parsed.name.length).toBeLessThanOrEqual(253)
    }),
  )
})
