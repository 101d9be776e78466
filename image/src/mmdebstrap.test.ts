import { describe, expect, it } from "vitest"
import { mmdebstrapArguments } from "./mmdebstrap.js"

const bootstrap = { suite: "trixie", mirror: undefined, asRoot: true, archive: "/tmp/a.tar" } as const

describe("mmdebstrapArguments", () => {
  it("ends with release, archive and mirror", () => {
    const args = mmdebstrapArguments({ ...bootstrap, mirror: "http://mirror.example/debian" })
    expect(args.slice(-3)).toEqual(["trixie", "/tmp/a.tar", "http://mirror.example/debian"])
  })

  it("leaves the mirror to mmdebstrap when the host has none", () => {
    expect(mmdebstrapArguments(bootstrap).slice(-2)).toEqual(["trixie", "/tmp/a.tar"])
  })

  it("uses a user namespace for an ordinary user", () => {
    expect(mmdebstrapArguments(bootstrap)).toContain("--mode=root")
    expect(mmdebstrapArguments({ ...bootstrap, asRoot: false })).toContain("--mode=unshare")
  })

  it("keeps copyright files, which are excluded before they are included again", () => {
    const args = mmdebstrapArguments(bootstrap)
    const excluded = args.indexOf("--dpkgopt=path-exclude=/usr/share/doc/*")
    expect(excluded).toBeGreaterThan(0)
    expect(args.indexOf("--dpkgopt=path-include=/usr/share/doc/*/copyright")).toBeGreaterThan(excluded)
  })
})
