import { describe, expect, it } from "vitest"
import { Tickets } from "./tickets.js"

describe("a ticket", () => {
  it("admits once", () => {
    const tickets = new Tickets<string>(() => 0)
    const { text } = tickets.issue("box", "come in")

    expect(tickets.redeem(text, "box")).toBe("come in")
    expect(tickets.redeem(text, "box")).toBeUndefined()
  })

  it("admits to no other sandbox, and is still good then", () => {
    const tickets = new Tickets<string>(() => 0)
    const { text } = tickets.issue("box", "come in")

    expect(tickets.redeem(text, "other")).toBeUndefined()
    expect(tickets.redeem(text, "box")).toBe("come in")
  })

  it("is good for half a minute", () => {
    let now = 1_000
    const tickets = new Tickets<string>(() => now)
    const [early, late] = [tickets.issue("box", "early"), tickets.issue("box", "late")]
    expect(early.expiresAt).toBe(31_000)

    now = 30_999
    expect(tickets.redeem(early.text, "box")).toBe("early")
    now = 31_000
    expect(tickets.redeem(late.text, "box")).toBeUndefined()
  })

  it("is one of at most 64 of a sandbox that wait", () => {
    let now = 0
    const tickets = new Tickets<number>(() => now)
    const texts = Array.from({ length: 64 }, (_, number) => tickets.issue("box", number).text)
    expect(new Set(texts).size).toBe(64)
    expect(() => tickets.issue("box", 64)).toThrow("wait half a minute")
    expect(() => tickets.issue("other", 0)).not.toThrow()

    tickets.redeem(texts[0] ?? "", "box")
    expect(() => tickets.issue("box", 64)).not.toThrow()
    now = 30_000
    expect(() => tickets.issue("box", 65)).not.toThrow()
  })
})
