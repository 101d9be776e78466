import { describe, expect, it } from "vitest"
import { chooseMirror } from "./debian-mirror.js"

const main = "Packages|main|Debian|Debian|bookworm|http://mirror.example/debian/"

describe("chooseMirror", () => {
  it("takes Debian's archive, not its updates, security or sources", () => {
    const targets = [
      "Translations|main|Debian|Debian|bookworm|http://translations.example/debian/",
      "Packages|main|Debian|Debian-Security|bookworm-security|http://security.example/debian-security/",
      "Packages|main|Debian|Debian|bookworm-updates|http://updates.example/debian/",
      "Packages|contrib|Debian|Debian|bookworm|http://contrib.example/debian/",
      main,
    ]
    expect(chooseMirror(targets.join("\n"))).toBe("http://mirror.example/debian/")
  })

  it("passes over other vendors' archives", () => {
    const vendor = "Packages|main|Vendor|Vendor|stable|https://vendor.example/apt/debian"
    expect(chooseMirror(vendor)).toBeUndefined()
    expect(chooseMirror(`${vendor}\n${main}`)).toBe("http://mirror.example/debian/")
  })

  it("goes by the address while the archive's lists were never fetched", () => {
    const unfetched = "Packages|main|$(ORIGIN)|$(LABEL)|trixie|http://mirror.example/debian/"
    expect(chooseMirror(unfetched)).toBe("http://mirror.example/debian/")
    expect(chooseMirror("Packages|main||||")).toBeUndefined()
    expect(chooseMirror("Packages|main|||trixie|http://mirror.example/tools/")).toBeUndefined()
  })

  it("finds nothing in nothing", () => {
    expect(chooseMirror("")).toBeUndefined()
  })
})
