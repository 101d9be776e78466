import { expect, it } from "vitest"
import { fileInfo, pathInside } from "./file-info.js"

const state = {
  type: "f",
  mode: 0o640,
  uid: 1,
  gid: 2,
  size: 5,
  mtimeNs: "1767225600123456789",
  ctimeNs: "0",
  ino: "1",
} as const

it("is what the guest says, as the wire has it", () => {
  expect(fileInfo("/etc/a b", state)).toEqual({
    path: "/etc/a b",
    name: "a b",
    type: "file",
    size: 5,
    mode: "640",
    uid: 1,
    gid: 2,
    modified_at: "2026-01-01T00:00:00.123Z",
    target: null,
  })
  expect(fileInfo("l", { ...state, type: "l", mode: 0, target: "to" })).toMatchObject({
    type: "symlink",
    mode: "000",
    target: "to",
  })
})

it.each(["-99999999999999999999", "99999999999999999999"])(
  "has a time whatever the guest says: %s",
  (mtimeNs) => {
    expect(fileInfo("a", { ...state, mtimeNs }).modified_at).toMatch(/Z$/)
  },
)

it.each([
  [".", "a", "a"],
  ["./", "a", "a"],
  ["src", "a/b", "src/a/b"],
  ["src/", "a", "src/a"],
  ["/", "etc", "/etc"],
  ["..", "a", "../a"],
  ["./src", "a", "./src/a"],
  [".hidden", "a", ".hidden/a"],
])("what %s holds as %s is %s", (directory, path, whole) => {
  expect(pathInside(directory, path)).toBe(whole)
})
