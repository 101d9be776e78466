import { describe, expect, it } from "vitest"
import { explain, suiteIsMissing } from "./build-error.js"
import { CommandError } from "./command.js"

const place = { cacheDirectory: "/home/ann/.cache/opensandbox", user: "ann" }
const messageFor = (output: string) =>
  explain(new CommandError("mmdebstrap failed (exit code 25)", output), place).message

describe("explain", () => {
  it("says where room is needed when the disk is full", () => {
    expect(messageFor("tar: write error: No space left on device")).toContain(place.cacheDirectory)
  })

  it("gives the command that lends a user ids", () => {
    expect(messageFor('unshare: no line matching user "ann" in /etc/subuid: Success')).toContain(
      "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann",
    )
  })

  it("gives the command that allows user namespaces", () => {
    expect(messageFor("unshare: unshare failed: Operation not permitted")).toContain("sysctl -w")
  })

  it("points to the network when the mirror does not answer", () => {
    expect(messageFor("Err:1 trixie InRelease\n  Could not connect to mirror.example:80")).toContain(
      "Debian mirror cannot be reached",
    )
  })

  it("keeps what the program said last, and nothing but that when it is unknown", () => {
    const output = Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n")
    const message = messageFor(output)
    expect(message).toMatch(/^mmdebstrap failed/)
    expect(message).toMatch(/line 99$/)
    expect(message).not.toContain("line 50")
  })
})

describe("suiteIsMissing", () => {
  it("tells a mirror without the release from one without a package", () => {
    const missing = "E: The repository 'http://mirror.example trixie Release' does not have a Release file."
    expect(suiteIsMissing(new CommandError("", missing))).toBe(true)
    expect(suiteIsMissing(new CommandError("", "Err:9 trixie/main amd64 jq\n  404  Not Found"))).toBe(false)
  })
})
