import fc from "fast-check"
import { expect, test } from "vitest"
import { formatAddress, parseAddress, parseRange } from "./address.js"
import { parseRoutes } from "./host-addresses.js"
import { allowRules } from "./network-policy.js"
import { Reach } from "./reach.js"

const at = (text: string) => parseAddress(text) ?? -1
const noneIsOwn = () => false
const reach = (...allow: string[]) => new Reach({ allow }, noneIsOwn)

const outOfReach = [
  ["this host", "0.0.0.0"],
  ["loopback", "127.0.0.1"],
  ["loopback by another name", "127.255.255.254"],
  ["private, large", "10.1.2.3"],
  ["the guest's own gateway", "10.0.2.2"],
  ["a carrier's", "100.64.0.1"],
  ["the metadata service of clouds", "169.254.169.254"],
  ["private, middle", "172.16.0.1"],
  ["private, its end", "172.31.255.255"],
  ["protocol assignments", "192.0.0.8"],
  ["private, small", "192.168.178.1"],
  ["benchmarks", "198.19.255.255"],
  ["documentation", "203.0.113.7"],
  ["multicast", "224.0.0.251"],
  ["reserved", "240.0.0.1"],
  ["broadcast", "255.255.255.255"],
] as const

test.each(outOfReach)("no setting opens %s (%s)", (_, address) => {
  for (const policy of [
    "internet",
    { allow: ["0.0.0.0/0"] },
    { allow: ["0.0.0.0/1", "128.0.0.0/1"] },
  ] as const)
    expect(new Reach(policy, noneIsOwn).permits(at(address), 80)).toBe(false)
  expect(() => reach(address)).toThrow("never reachable")
})

test.each(["1.1.1.1", "11.22.33.44", "172.32.0.1", "192.167.255.255", "223.255.255.255"])(
  "the internet is %s, too",
  (address) => {
    expect(new Reach("internet", noneIsOwn).permits(at(address), 443)).toBe(true)
    expect(new Reach("none", noneIsOwn).permits(at(address), 443)).toBe(false)
  },
)

test("the host's own addresses are out of reach, public ones as well, by address, range and name", () => {
  const isOwn = (address: number) => address === at("11.22.33.44")
  for (const policy of ["internet", { allow: ["11.22.33.0/24", "11.22.33.44", "host.example"] }] as const) {
    const guarded = new Reach(policy, isOwn)
    expect(guarded.learn("host.example", at("11.22.33.44"), 60)).toBe(false)
    expect(guarded.permits(at("11.22.33.44"), 80)).toBe(false)
    expect(guarded.permits(at("11.22.33.45"), 80)).toBe(true)
  }
})

test("a list opens what it names, at the ports that it names", () => {
  const some = reach("11.22.33.44:443", "20.0.0.0/8", "21.1.1.1")
  expect(some.permits(at("11.22.33.44"), 443)).toBe(true)
  expect(some.permits(at("11.22.33.44"), 80)).toBe(false)
  expect(some.permits(at("20.255.0.1"), 5)).toBe(true)
  expect(some.permits(at("21.1.1.1"), 65_535)).toBe(true)
  expect(some.permits(at("21.1.1.2"), 443)).toBe(false)
})

test("a name opens the addresses that were learnt of it, at its ports, until they are long out of date", () => {
  const named = reach("Example.org.:443")
  expect(named.permitsName("example.org")).toBe(true)
  expect(named.permitsName("www.example.org")).toBe(false)
  expect(named.permits(at("11.22.33.44"), 443, 0)).toBe(false)
  expect(named.learn("example.org", at("11.22.33.44"), 60, 0)).toBe(true)
  expect(named.permits(at("11.22.33.44"), 443, 60_000)).toBe(true)
  expect(named.permits(at("11.22.33.44"), 80, 60_000)).toBe(false)
  expect(named.permits(at("11.22.33.44"), 443, 3_600_000)).toBe(false)
})

test("remembers so many addresses and no more: the oldest goes", () => {
  const named = reach("example.org")
  for (let n = 0; n <= 4096; n++) named.learn("example.org", at("20.0.0.0") + n, 60)
  expect(named.permits(at("20.0.0.0"), 80)).toBe(false)
  expect(named.permits(at("20.0.0.1"), 80)).toBe(true)
  expect(named.permits(at("20.0.16.0"), 80)).toBe(true)
})

test.each([
  "",
  ":80",
  "1.2.3",
  "1.2.3.4.5",
  "256.1.1.1",
  "1.2.3.4/33",
  "a b",
  "-a.example",
  "a..b",
  "a:0",
  "a:65536",
  "::1",
])("%j is nothing that can be allowed", (text) => {
  expect(() => allowRules([text])).toThrow(/cannot be allowed/)
})

test("addresses are what they are written as", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(formatAddress(at(text))).toBe(text)
    }),
  )
  expect(parseRange("11.22.33.44/24")).toEqual({ first: at("11.22.33.0"), prefix: 24 })
  expect(parseRange("0.0.0.0/0")).toEqual({ first: 0, prefix: 0 })
})

test("takes from the kernel's table what it delivers to itself", () => {
  const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 11.22.33.0/24 2 0 2
        |-- 11.22.33.0
           /24 link UNICAST
        |-- 11.22.33.44
           /32 host LOCAL
        |-- 11.22.33.255
           /32 link BROADCAST
     |-- 20.1.0.0
        /16 host LOCAL
`
  expect(parseRoutes(trie)).toEqual([
    { first: at("11.22.33.44"), prefix: 32 },
    { first: at("11.22.33.255"), prefix: 32 },
    { first: at("20.1.0.0"), prefix: 16 },
  ])
})
