import { AgentError, type ChangedPath, type FileState, type Viewer } from "@opensandbox/vm"
import { pino } from "pino"
import { beforeEach, expect, test } from "vitest"
import { Failure } from "../failure.js"
import type { SealedDisk } from "../layers/layer-files.js"
import { Looking } from "./looking.js"
import { Viewers } from "./viewers.js"

const log = pino({ level: "silent" })

/** The layers that there are and what is at their paths: text, bytes, `a directory`, or a file of so many bytes. */
let layers: Record<string, Record<string, string | Uint8Array<ArrayBuffer> | number>>
let opened: (string | null)[]
let looking: Looking

const disk = (layer: string | null): SealedDisk => ({ layer, imageKey: "image", diskBytes: null, chain: [] })

function fileOf(content: string): FileState {
  const times = { mtimeNs: "1", ctimeNs: "1" }
  return { type: "f", mode: 0o644, uid: 0, gid: 0, size: content.length, ino: "1", ...times }
}

function openFake({ layer }: SealedDisk): Promise<Viewer> {
  opened.push(layer)
  const files = layers[layer ?? ""] ?? {}
  const changes: ChangedPath[] = Object.entries(files)
    .filter((entry): entry is [string, string] => typeof entry[1] === "string")
    .map(([path, content]) => ({ path, was: null, now: fileOf(content) }))
  return Promise.resolve({
    closed: new Promise(() => undefined),
    changes: () => Promise.resolve({ changes, truncated: false }),
    digest: (paths) => Promise.resolve(paths.map((path) => String(files[path]))),
    read(path) {
      const content = files[path.startsWith("/") ? path : `/workspace/${path}`]
      if (content === undefined) return Promise.reject(new AgentError("not_found", "none"))
      if (content === "a directory") return Promise.reject(new AgentError("not_a_file", "no file"))
      if (typeof content === "number") return Promise.reject(new AgentError("too_large", "large"))
      return Promise.resolve(Uint8Array.from(Buffer.from(content)))
    },
    close: () => Promise.resolve(),
  })
}

beforeEach(() => {
  layers = {}
  opened = []
  looking = new Looking(new Viewers(openFake, log), log)
})

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof Failure ? { code: error.code, ...error.details } : error),
  )

test("tells what differs, and a text file's lines on request", async () => {
  layers = { l1: { "/workspace/a": "1\n" }, l2: { "/workspace/a": "1\n2\n", "/workspace/b": "" } }
  const changes = [
    { path: "/workspace/a", change: "changed", type: "file", size: 4, previous_size: 2 },
    { path: "/workspace/b", change: "added", type: "file", size: 0, previous_size: null },
  ]
  const patch = "--- a/workspace/a\n+++ b/workspace/a\n@@ -1,1 +1,2 @@\n 1\n+2\n"
  expect(await looking.diff(disk("l1"), disk("l2"))).toEqual({ changes, truncated: false })
  expect(await looking.diff(disk("l1"), disk("l2"), "a")).toEqual({ changes, truncated: false, patch })
  expect(await looking.diff(disk(null), disk("l1"), "a")).toMatchObject({
    patch: "--- /dev/null\n+++ b/workspace/a\n@@ -0,0 +1,1 @@\n+1\n",
  })
})

test("opens no machine to compare a layer with itself", async () => {
  layers = { l1: { "/workspace/a": "1\n" } }
  expect(await looking.diff(disk("l1"), disk("l1"))).toEqual({ changes: [], truncated: false })
  expect(opened).toEqual([])
  expect(await looking.diff(disk("l1"), disk("l1"), "a")).toEqual({
    changes: [],
    truncated: false,
    patch: "",
  })
  expect(await failure(looking.diff(disk("l1"), disk("l1"), "b"))).toEqual({ code: "not_found" })
  expect(opened).toEqual(["l1"])
})

test.each([
  ["a binary file", Uint8Array.of(1, 0, 2)],
  ["a file that is too large", 5_000_000],
  ["a directory", "a directory"],
])("makes no patch of %s", async (_, content) => {
  layers = { l1: { "/f": "text" }, l2: { "/f": content } }
  const expected = { code: "invalid_request", field: "patch" }
  expect(await failure(looking.diff(disk("l1"), disk("l2"), "/f"))).toEqual(expected)
})

test("reads a file as it was, byte by byte", async () => {
  const bytes = Uint8Array.of(0, 255, 10)
  layers = { l1: { "/workspace/f": bytes, "/d": "a directory", "/large": 100_000_000 } }
  expect(await looking.readAt(disk("l1"), "f")).toEqual(bytes)
  expect(await failure(looking.readAt(disk("l1"), "/none"))).toEqual({ code: "not_found" })
  expect(await failure(looking.readAt(disk("l1"), "/large"))).toEqual({ code: "too_large" })
  expect(await failure(looking.readAt(disk("l1"), "/d"))).toEqual({ code: "invalid_request", field: "path" })
})

test("says nothing of what went wrong inside", async () => {
  const broken = new Viewers(() => Promise.reject(new Error("secret")), log)
  const error = await failure(new Looking(broken, log).readAt(disk("l1"), "f"))
  expect(error).toEqual({ code: "unavailable" })
})
