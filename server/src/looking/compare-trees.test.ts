import type { ChangedPath, FileState } from "@opensandbox/vm"
import fc from "fast-check"
import { expect, test } from "vitest"
import { compareTrees } from "./compare-trees.js"
import type { Tree } from "./tree.js"

/** What a user sees of a path, and a number that stands for times and inode: another one with each writing. */
interface Entry {
  readonly type: "f" | "d" | "l"
  readonly mode: number
  readonly uid: number
  /** Of a file; of a link its target. */
  readonly content: string
  readonly written: number
  /** Of a file that is larger than its content here. */
  readonly size?: number
}

type Entries = ReadonlyMap<string, Entry>

/** Long after anything in the base, so that nothing there is unsettled. */
const later = 1_000_000

function stateOf({ type, mode, uid, content, written, size = content.length }: Entry): FileState {
  const time = `${written}000000000`
  const state = { type, mode, uid, gid: 0, mtimeNs: time, ctimeNs: time, ino: String(written) }
  return type === "l"
    ? { ...state, size: content.length, target: content }
    : { ...state, size: type === "f" ? size : 4096 }
}

/** Counts what it is asked for. */
class FakeTree implements Tree {
  readonly changes: ChangedPath[]
  readonly truncated: boolean
  digested = 0
  /** The largest number of bytes that it was asked for at a time. */
  mostBytes = 0
  readonly #entries: Entries

  /** @param listed The paths to list, of which `limit` get into the list. */
  constructor(base: Entries, entries: Entries, listed: Iterable<string>, limit = Infinity) {
    this.#entries = entries
    const state = (entry: Entry | undefined) => (entry === undefined ? null : stateOf(entry))
    const paths = [...listed].sort(depthFirst)
    this.changes = paths
      .slice(0, limit)
      .map((path) => ({ path, was: state(base.get(path)), now: state(entries.get(path)) }))
    this.truncated = paths.length > limit
  }

  digest(paths: readonly string[]): Promise<(string | null)[]> {
    this.digested += paths.length
    const sizes = paths.map((path) => this.#entries.get(path)?.size ?? 0)
    this.mostBytes = Math.max(
      this.mostBytes,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    return Promise.resolve(
      paths.map((path) => {
        const entry = this.#entries.get(path)
        return entry?.type === "f" ? `hash of ${entry.content}` : null
      }),
    )
  }

  read(path: string): Promise<Uint8Array> {
    return Promise.resolve(Buffer.from(this.#entries.get(path)?.content ?? ""))
  }
}

function bytesOf(path: string): Buffer {
  return Buffer.concat(
    Array.from(path, (one) =>
      /[\uEF80-\uEFFF]/.test(one) ? Buffer.of(one.charCodeAt(0) & 0xff) : Buffer.from(one),
    ),
  )
}

function depthFirst(a: string, b: string): number {
  const [x, y] = [a.split("/"), b.split("/")]
  const at = x.findIndex((name, index) => name !== y[index])
  if (at === -1) return x.length - y.length
  const [name, other] = [x[at], y[at]]
  return other === undefined ? 1 : Buffer.compare(bytesOf(name ?? ""), bytesOf(other))
}

function plainComparison(from: Entries, to: Entries, paths: Iterable<string>) {
  const types = { f: "file", d: "directory", l: "symlink" } as const
  const size = (entry?: Entry) => (entry?.type === "f" ? entry.content.length : null)
  const look = (entry?: Entry) =>
    entry && [entry.type, entry.mode, entry.uid, entry.type === "d" || entry.content].join()
  return [...paths]
    .filter((path) => look(from.get(path)) !== look(to.get(path)))
    .sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)))
    .map((path) => {
      const [before, after] = [from.get(path), to.get(path)]
      return {
        path,
        change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
        type: types[(after ?? before)?.type ?? "d"],
        size: size(after),
        previous_size: size(before),
      }
    })
}

const name = fc.constantFrom("a", "a-", "b", "a\n", '"', "\uEFFF", "\uEF80\uEF81", "é", "\u{1F600}", "\uFFFD")
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`)
const entry = fc.record({
  type: fc.constantFrom("f", "f", "d", "l"),
  mode: fc.constantFrom(0o644, 0o755),
  uid: fc.constantFrom(0, 1000),
  content: fc.constantFrom("", "x", "y", "longer"),
})
const fate = fc.oneof(
  fc.constant("as in the base" as const),
  fc.constant("gone" as const),
  fc.constant("as in the other" as const),
  fc.constant("written again" as const),
  entry,
)
const history = fc.uniqueArray(
  fc.record({ path, base: fc.option(entry), from: fate, to: fate, listed: fc.boolean() }),
  { selector: (step) => step.path, maxLength: 40 },
)

type Steps = typeof history extends fc.Arbitrary<infer T> ? T : never

/** The base and two trees on it, with the paths at which each may differ from it. */
function grow(steps: Steps) {
  const [base, from, to] = [new Map<string, Entry>(), new Map<string, Entry>(), new Map<string, Entry>()]
  const listed = [new Set<string>(), new Set<string>()] as const
  let written = 0
  for (const step of steps) {
    const old = step.base === null ? undefined : { ...step.base, written: ++written }
    if (old !== undefined) base.set(step.path, old)
    const become = (next: Steps[number]["from"], other: Entry | undefined): Entry | undefined => {
      if (next === "as in the base") return old
      if (next === "as in the other") return other
      if (next === "gone") return undefined
      if (next === "written again") return old && { ...old, written: later + ++written }
      return { ...next, written: later + ++written }
    }
    const first = become(step.from, old)
    for (const [tree, paths, now] of [
      [from, listed[0], first],
      [to, listed[1], become(step.to, first)],
    ] as const) {
      if (now !== undefined) tree.set(step.path, now)
      if (step.listed || now !== old) paths.add(step.path)
    }
  }
  return { base, from, to, listed }
}

test("tells what a plain comparison of both trees would tell", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const { base, from, to, listed } = grow(steps)
      const comparison = await compareTrees(
        new FakeTree(base, from, listed[0]),
        new FakeTree(base, to, listed[1]),
      )
      const paths = new Set([...base.keys(), ...from.keys(), ...to.keys()])
      expect(comparison).toEqual({ changes: plainComparison(from, to, paths), truncated: false })
    }),
  )
})

test("tells nothing wrong where the listing of a tree was cut off", async () => {
  const limits = fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 30 }))
  await fc.assert(
    fc.asyncProperty(history, limits, async (steps, [fromLimit, toLimit]) => {
      const { base, from, to, listed } = grow(steps)
      const trees = [
        new FakeTree(base, from, listed[0], fromLimit),
        new FakeTree(base, to, listed[1], toLimit),
      ] as const
      const last = trees
        .filter((tree) => tree.truncated)
        .map((tree) => tree.changes.at(-1)?.path ?? "")
        .sort(depthFirst)[0]
      const paths = new Set([...base.keys(), ...from.keys(), ...to.keys()])
      const seen = [...paths].filter((one) => last === undefined || depthFirst(one, last) <= 0)
      expect(await compareTrees(...trees)).toEqual({
        changes: plainComparison(from, to, seen),
        truncated: last !== undefined,
      })
    }),
  )
})

/** Two trees on an empty base, with everything listed. */
function twoTrees(from: Record<string, Entry>, to: Record<string, Entry>) {
  return [from, to].map(
    (entries) => new FakeTree(new Map(), new Map(Object.entries(entries)), Object.keys(entries)),
  ) as [FakeTree, FakeTree]
}

const file = (content: string, written: number): Entry => ({
  type: "f",
  mode: 0o644,
  uid: 0,
  content,
  written,
})

test("looks at the content of what was written just before a snapshot: its times may be older than it", async () => {
  const [from, to] = twoTrees(
    { "/old": file("1", 1), "/new": file("1", 100) },
    { "/old": file("1", 1), "/new": file("2", 100), "/newest": file("", 200) },
  )
  const { changes } = await compareTrees(from, to)
  expect(changes.map(({ path, change }) => [path, change])).toEqual([
    ["/new", "changed"],
    ["/newest", "added"],
  ])
  expect(from.digested).toBe(1)
})

test("leaves out what the machine itself writes, and nothing else of it", async () => {
  const hosts = (name: string, more = "") => `127.0.0.1\tlocalhost\n127.0.1.1\t${name}\n${more}`
  const system = (name: string, more = "") => ({
    "/etc/hostname": file(name, later),
    "/etc/hosts": file(hosts(name, more), later),
  })
  const changed = async (...sides: Parameters<typeof twoTrees>) =>
    (await compareTrees(...twoTrees(...sides))).changes.map(({ path }) => path)
  expect(await changed(system("one"), { ...system("other"), "/etc/machine-id": file("id", 1) })).toEqual([])
  expect(await changed(system("one"), system("other", "10.0.0.1 db\n"))).toEqual(["/etc/hosts"])
  const link: Entry = { type: "l", mode: 0o777, uid: 0, content: "elsewhere", written: 1 }
  expect(await changed(system("one"), { ...system("one"), "/etc/hostname": link })).toEqual(["/etc/hostname"])
})

test("holds at most 10,000 changes, and looks at the content of at most 2,000 files", async () => {
  const files = (count: number, written: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`/${String(at).padStart(5, "0")}`, file("x", written)]),
    )
  const many = await compareTrees(...twoTrees({}, files(10_001, 1)))
  expect([many.changes.length, many.truncated]).toEqual([10_000, true])
  expect(many.changes.at(-1)?.path).toBe("/09999")

  const [from, to] = twoTrees(files(2_500, 1), files(2_500, 2))
  expect((await compareTrees(from, to)).changes).toHaveLength(500)
  expect([from.digested, to.digested]).toEqual([2_000, 2_000])
})

test("reads so much content and no more: what is beyond that differs if its times do", async () => {
  const MiB = 1024 * 1024
  const files = (written: number, size: number) =>
    Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`/${size}-${at}`, { ...file("x", written), size: size * MiB }]),
    )
  const same = files(later, 3)
  const [from, to] = twoTrees({ ...files(1, 10), ...same }, { ...files(2, 10), ...same })
  expect((await compareTrees(from, to)).changes).toHaveLength(20 - 12)
  expect(from.digested).toBe(12 + 10)
  expect(from.mostBytes).toBeLessThanOrEqual(16 * MiB)
})
