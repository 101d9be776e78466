import fc from "fast-check"
import { expect, it } from "vitest"
import { parsePortHost } from "./port-host.js"

const domains = ["localhost", "box.example.com"]

it.each([
  ["8080-my-sandbox.localhost:4000", { port: 8080, name: "my-sandbox" }],
  ["1-a.box.example.com", { port: 1, name: "a" }],
  ["65535-A-1.LOCALHOST.:80", { port: 65_535, name: "a-1" }],
  [`80-${"x".repeat(60)}.localhost`, { port: 80, name: "x".repeat(60) }],
])("%s names a port of a sandbox", (host, target) => {
  expect(parsePortHost(host, domains)).toEqual(target)
})

it.each([
  undefined,
  "",
  "localhost:4000",
  "127.0.0.1:4000",
  "my-sandbox.localhost",
  "8080.localhost",
  "8080-.localhost",
  "0-a.localhost",
  "08-a.localhost",
  "65536-a.localhost",
  "80-a-.localhost",
  "80-a.example.com",
  "80-a.localhost.example.com",
  "80-a.b.localhost",
  "80-a.localhost/",
  "80-a.localhost:x",
  `80-${"x".repeat(61)}.localhost`,
])("%j names none", (host) => {
  expect(parsePortHost(host, domains)).toBeUndefined()
})

it("finds what was put in, and takes nothing apart otherwise", () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 65_535 }),
      name,
      fc.constantFrom(...domains),
      (port, name, domain) => {
        expect(parsePortHost(`${port}-${name}.${domain}`, domains)).toEqual({ port, name })
      },
    ),
  )
  fc.assert(
    fc.property(fc.string(), (host) => {
      const target = parsePortHost(host, domains)
      if (target !== undefined) expect(host.toLowerCase()).toContain(`${target.port}-${target.name}.`)
    }),
  )
})
