import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { opensandbox } from "../support/cli.js"
import { eventually } from "../support/eventually.js"
import { layerFiles } from "../support/layer-files.js"
import { matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const maxSandboxes = 12

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start({ env: { OPENSANDBOX_MAX_SANDBOXES: String(maxSandboxes) } })
}, serverStartMs)

afterAll(() => server.dispose())

async function namesOf(sandbox: Sandbox): Promise<string[]> {
  return succeeded(await sandbox.snapshots()).snapshots.map((snapshot) => snapshot.snapshot_name)
}

/** What a command prints, without a snapshot of it. */
async function output(sandbox: Sandbox, command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

async function sandboxes(): Promise<string[]> {
  return succeeded(await server.client().list()).vms.map(({ name }) => name)
}

async function destroyAll(): Promise<void> {
  for (const name of await sandboxes()) succeeded(await server.sandbox(name).destroy())
  await eventually("no layer to be left", 20_000, async () =>
    (await layerFiles(server.dataDirectory)).length === 0 ? true : undefined,
  )
}

test("a fork is what its origin is, snapshots included, and each goes its own way", async () => {
  const origin = await server.create()
  const { snapshot: first } = succeeded(await origin.run("echo 1 > file"))
  const { snapshot: labelled } = succeeded(await origin.snapshot("label"))
  succeeded(await origin.run("echo 2 > file", { snapshot: false }))
  const { sandbox: fork } = succeeded(await origin.fork("fork"))
  const present = matching(/^fork_\d+$/)
  expect(await namesOf(fork)).toEqual(["initial", first, labelled.snapshot_name, present])
  expect(await namesOf(origin)).toEqual(["initial", first, labelled.snapshot_name])

  const theirs = succeeded(await fork.run("cat file; echo fork > file"))
  const ours = succeeded(await origin.run("cat file; echo origin > file"))
  expect([theirs.stdout, ours.stdout]).toEqual(["2\n", "2\n"])
  expect([await output(fork, "cat file"), await output(origin, "cat file")]).toEqual(["fork\n", "origin\n"])
  succeeded(await fork.restore("label"))
  succeeded(await origin.restore(ours.snapshot))
  expect([await output(fork, "cat file"), await output(origin, "cat file")]).toEqual(["1\n", "origin\n"])
  await destroyAll()
})

test("a fork of a snapshot, by name or label, begins there", async () => {
  const origin = await server.create()
  const { snapshot: first } = succeeded(await origin.run("echo 1 > file"))
  const { snapshot: second } = succeeded(await origin.run("echo 2 > file"))
  const { snapshot: third } = succeeded(await origin.snapshot("third"))
  succeeded(await origin.run("echo 3 > file"))
  for (const [snapshot, content, names] of [
    ["initial", "", ["initial"]],
    [first, "1\n", ["initial", first]],
    ["third", "2\n", ["initial", first, second, third.snapshot_name]],
  ] as const) {
    const { sandbox: fork } = succeeded(await origin.fork(`at-${names.length}`, { snapshot }))
    expect(await namesOf(fork)).toEqual(names)
    expect(await output(fork, "cat file 2>/dev/null")).toBe(content)
  }
  expect(await output(origin, "cat file")).toBe("3\n")
  await destroyAll()
})

test("a fork has an identity of its own, and none of its origin's processes", async () => {
  const origin = await server.create()
  succeeded(await origin.run("nohup sleep 54321 >/dev/null 2>&1 & echo kept > /etc/note"))
  const { sandbox: fork } = succeeded(await origin.fork("own-self"))
  const identity = "hostname; cat /etc/machine-id; cat /etc/note; pgrep -x sleep"
  const [theirName, theirId, theirNote, none] = (await output(fork, identity)).split("\n")
  const [ourName, ourId, ourNote, sleeping] = (await output(origin, identity)).split("\n")
  expect([theirName, ourName]).toEqual(["own-self", origin.name])
  expect([theirNote, ourNote]).toEqual(["kept", "kept"])
  expect(theirId).not.toBe(ourId)
  expect([none, sleeping]).toEqual(["", matching(/^\d+$/)])
  await destroyAll()
})

test("a fork while a process writes has a moment of it, and the process goes on", async () => {
  const origin = await server.create()
  const loop = "i=0; while :; do i=$((i+1)); echo $i > new; mv new count; echo $i >> log; sleep 0.01; done"
  succeeded(await origin.run(`nohup sh -c '${loop}' >/dev/null 2>&1 & echo begun > begun`))
  const counts: number[] = []
  for (const name of ["one", "two", "three"]) {
    const before = Number(await output(origin, "cat count"))
    const { sandbox: fork } = succeeded(await origin.fork(name))
    const after = Number(await output(origin, "cat count"))
    const [count, lines] = (await output(fork, "cat count; wc -l < log")).split("\n").map(Number)
    expect(count).toBeGreaterThanOrEqual(before)
    expect(count).toBeLessThanOrEqual(after)
    expect(Math.abs((count ?? 0) - (lines ?? 0))).toBeLessThanOrEqual(1)
    counts.push(count ?? 0)
  }
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  const last = counts.at(-1) ?? 0
  await eventually("the origin's process to go on", 20_000, async () =>
    Number(await output(origin, "cat count")) > last ? true : undefined,
  )
  await destroyAll()
})

test("many forks are made in one request, all of them or none", async () => {
  const origin = await server.create()
  succeeded(await origin.run("echo 1 > file"))
  const { sandboxes: forks } = succeeded(await server.client().fork(origin.name, ["a", "b", "c"]))
  expect(forks.map(({ name }) => name)).toEqual(["a", "b", "c"])
  expect(await Promise.all(forks.map((fork) => output(fork, `cat file; echo ${fork.name} > file`)))).toEqual(
    Array(3).fill("1\n"),
  )
  expect(await Promise.all(forks.map((fork) => output(fork, "cat file")))).toEqual(["a\n", "b\n", "c\n"])

  const before = [await sandboxes(), (await layerFiles(server.dataDirectory)).length]
  const refused = await server.client().fork(origin.name, ["d", "b", "e"])
  expect(failed(refused)).toMatchObject({ code: "already_exists", error: matching(/"b"/) })
  const many = Array.from({ length: maxSandboxes - 3 }, (_, at) => `many-${at}`)
  expect(failed(await server.client().fork(origin.name, many)).code).toBe("limit_reached")
  expect([await sandboxes(), (await layerFiles(server.dataDirectory)).length]).toEqual(before)
  succeeded(await server.client().fork(origin.name, many.slice(1)))
  await destroyAll()
})

test("two requests for the same name make one fork", async () => {
  const origin = await server.create()
  const both = await Promise.all([origin.fork("same"), origin.fork("same")])
  expect(both.map((result) => (result.success ? "made" : result.code)).sort()).toEqual([
    "already_exists",
    "made",
  ])
  await destroyAll()
})

test("a sandbox that has no machine is forked without one", async () => {
  const { name } = await server.create()
  succeeded(await server.sandbox(name).run("echo 1 > file"))
  succeeded(await server.sandbox(name).run("echo 2 > file", { snapshot: false }))
  await server.restart()
  succeeded(await server.sandbox(name).fork("fork"))
  expect(server.machines()).toEqual([])
  expect(await output(server.sandbox("fork"), "cat file")).toBe("2\n")
  expect(server.machines()).toHaveLength(1)
  succeeded(await server.sandbox("fork").run("echo fork > file"))
  expect(await output(server.sandbox(name), "cat file")).toBe("2\n")
  await destroyAll()
})

test.each(["origin", "fork"])("destroying the %s leaves the other whole", async (destroyed) => {
  const origin = await server.create()
  const snapshots: string[] = []
  // Enough that layers are merged while both need them.
  for (let change = 0; change < 18; change++)
    snapshots.push(succeeded(await origin.run(`echo ${change} > file`)).snapshot)
  const { sandbox: fork } = succeeded(await origin.fork("fork"))
  succeeded(await origin.run("echo origin > file"))
  succeeded(await fork.run("echo fork > file"))
  const [gone, left] = destroyed === "origin" ? [origin, fork] : [fork, origin]
  succeeded(await gone.destroy())
  expect(await output(left, "cat file")).toBe(`${left === fork ? "fork" : "origin"}\n`)
  for (const at of [17, 16, 15, 8, 7, 3, 0]) {
    succeeded(await left.restore(snapshots[at] ?? ""))
    expect(await output(left, "cat file")).toBe(`${at}\n`)
  }
  await destroyAll()
})

test("a fork of a fork outlives both that it came from", async () => {
  const origin = await server.create()
  const { snapshot } = succeeded(await origin.run("echo 1 > file"))
  const { sandbox: child } = succeeded(await origin.fork("child"))
  succeeded(await child.run("echo 2 > file"))
  const { sandbox: grandchild } = succeeded(await child.fork("grandchild"))
  succeeded(await origin.destroy())
  succeeded(await child.destroy())
  await server.restart()
  const left = server.sandbox(grandchild.name)
  expect(await output(left, "cat file")).toBe("2\n")
  succeeded(await left.restore(snapshot))
  expect(await output(left, "cat file")).toBe("1\n")
  await destroyAll()
})

test("what cannot be forked is refused, and nothing is made", async () => {
  const origin = await server.create()
  expect(failed(await server.sandbox("no-such").fork("fork")).code).toBe("not_found")
  expect(failed(await origin.fork("fork", { snapshot: "no-such" })).code).toBe("not_found")
  expect(failed(await origin.fork("No Such Name")).code).toBe("invalid_request")
  expect(failed(await origin.fork(origin.name)).code).toBe("already_exists")
  expect(failed(await server.client().fork(origin.name, [])).code).toBe("invalid_request")
  expect(failed(await server.client().fork(origin.name, ["a", "a"])).code).toBe("invalid_request")
  const stranger = await opensandbox(["keys", "create", "--data-dir", server.dataDirectory, "--json"])
  const { key } = JSON.parse(stranger.stdout) as { key: string }
  expect(failed(await server.client(key).fork(origin.name, ["stolen"])).code).toBe("not_found")
  expect(await sandboxes()).toEqual([origin.name])
  await destroyAll()
})
