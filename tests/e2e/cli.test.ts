import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, expect, onTestFinished, test } from "vitest"
import { exec, opensandbox, type Ended } from "../support/cli.js"
import { anyNumber, anyString, matching } from "../support/matchers.js"
import { cli as command } from "../support/repository.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

/** Runs the command as the holder of the server's key. */
function cli(...args: string[]): Promise<Ended> {
  return opensandbox(args, { env: { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url } })
}

async function json(...args: string[]): Promise<unknown> {
  const { stdout } = await cli(...args, "--json")
  return JSON.parse(stdout)
}

test("a sandbox's life on the command line", { timeout: 120_000 }, async () => {
  expect(await cli("create", "box")).toMatchObject({ code: 0, stdout: "Created box\n", stderr: "" })
  expect(await cli("run", "box", "echo out; echo err >&2; exit 7")).toEqual({
    code: 7,
    signal: null,
    stdout: "out\n",
    stderr: "err\n",
  })
  const written = JSON.parse((await cli("run", "box", "--json", "echo one > file")).stdout) as {
    snapshot: string
  }
  expect(written).toMatchObject({ success: true, exitCode: 0, snapshot: matching(/^cmd_\d+$/) })
  expect(await cli("run", "box", "rm", "-f", "file")).toMatchObject({ code: 0, stdout: "", stderr: "" })

  const listed = await cli("snapshots", "box")
  expect(listed).toMatchObject({ code: 0, stderr: "" })
  expect(listed.stdout).toMatch(/initial[^]*exit 7[^]*echo one > file[^]*rm -f file/)
  expect(await json("snapshots", "box")).toMatchObject({
    success: true,
    snapshots: [{ snapshot_name: "initial" }, { id: anyNumber }, { snapshot_name: written.snapshot }, {}],
  })

  expect(await cli("restore", "box", written.snapshot)).toMatchObject({ code: 0, stderr: "" })
  expect(await cli("run", "box", "cat file")).toMatchObject({ code: 0, stdout: "one\n" })
  expect(await cli("wipe", "box")).toMatchObject({ code: 0, stderr: "" })
  expect(await cli("run", "box", "ls -A")).toMatchObject({ code: 0, stdout: "" })

  expect((await cli("ls")).stdout).toMatch(/box\s+running\s+healthy/)
  expect(await json("ls")).toMatchObject({ success: true, vms: [{ name: "box", status: "running" }] })
  expect((await cli("info", "box")).stdout).toMatch(/accelerator\s+(kvm|tcg)/)
  expect(await json("info", "box")).toMatchObject({ success: true, vm: { name: "box", ssh_port: anyNumber } })

  expect(await cli("rm", "box")).toMatchObject({ code: 0, stderr: "" })
  expect(await json("ls")).toEqual({ success: true, vms: [] })
})

test("time travel on the command line", { timeout: 240_000 }, async () => {
  const run = async (name: string, command: string) => (await cli("run", name, command)).stdout
  expect((await cli("create", "travel")).code).toBe(0)
  await run("travel", "echo one > notes")
  expect(await cli("snapshot", "travel", "--label", "first")).toMatchObject({
    code: 0,
    stdout: matching(/^Took snap_\d+\n$/),
  })
  await run("travel", "echo two > notes && touch new")

  expect(await cli("diff", "travel", "first")).toMatchObject({
    code: 0,
    stdout: "A /workspace/new  0 B\nM /workspace/notes  4 B\n",
    stderr: "",
  })
  expect((await cli("diff", "travel", "first", "--patch", "notes")).stdout).toContain("\n-one\n+two\n")
  expect(await cli("show", "travel", "first:notes")).toMatchObject({ code: 0, stdout: "one\n", stderr: "" })

  expect(await cli("fork", "travel", "try-a", "try-b")).toMatchObject({
    code: 0,
    stdout: "Created try-a\nCreated try-b\n",
  })
  expect(await cli("undo", "travel")).toMatchObject({ code: 0, stderr: "" })
  expect(await run("travel", "cat notes")).toBe("one\n")
  expect(await run("try-b", "cat notes")).toBe("two\n")

  const kept = (await json("restore", "travel", "initial", "--keep")) as { kept: string }
  expect(await run("travel", "ls -A")).toBe("")
  expect(await run(kept.kept, "cat notes")).toBe("one\n")
  expect(await cli("rm-snapshot", kept.kept, "first")).toMatchObject({ code: 0, stderr: "" })
  expect((await cli("show", kept.kept, "first:notes")).stderr).toContain("(not_found)")

  expect(await json("retention", kept.kept, "--keep-last", "2", "--quota", "1G")).toMatchObject({
    success: true,
    retention: { keep_last: 2, keep_days: null, quota_bytes: 1_000_000_000 },
  })
  expect((await cli("retention", kept.kept)).stdout).toMatch(/keep last +2\n[^]*quota +1\.0 GB\n/)
})

test("a sandbox goes through a pipe, and a broken archive makes none", { timeout: 240_000 }, async () => {
  const env = { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
  const shell = (script: string) =>
    exec("bash", ["-o", "pipefail", "-c", script, process.execPath, command], { env })
  expect((await cli("create", "there")).code).toBe(0)
  expect((await cli("run", "there", "echo moved > file")).code).toBe(0)

  const moved = await shell('"$0" "$1" export there --without-image | "$0" "$1" import here')
  expect(moved).toMatchObject({ code: 0, stdout: "Created here\n", stderr: "" })
  expect((await cli("run", "here", "cat file")).stdout).toBe("moved\n")

  const cut = await shell('"$0" "$1" export there --without-image | head -c 1000 | "$0" "$1" import nowhere')
  expect(cut).toMatchObject({ code: 1, stdout: "" })
  expect(cut.stderr).toContain("(invalid_request)")
  expect((await cli("info", "nowhere")).stderr).toContain("(not_found)")

  const full = await shell('"$0" "$1" export there --without-image > /dev/full')
  expect(full).toMatchObject({ code: 1, stderr: matching(/the archive is incomplete.*ENOSPC/) })
})

test("what goes wrong is said on the standard error, with its code", { timeout: 120_000 }, async () => {
  const missing = await cli("info", "nobody")
  expect(missing).toMatchObject({ code: 1, stdout: "" })
  expect(missing.stderr).toContain("(not_found)")
  expect(await json("info", "nobody")).toEqual({ success: false, code: "not_found", error: anyString })
  expect((await cli("create", "Not A Name")).stderr).toContain("(invalid_request)")
  expect(await cli("run", "nobody", "true")).toMatchObject({ code: 125, stdout: "" })

  expect((await cli("create", "slow")).code).toBe(0)
  const late = await cli("run", "slow", "--timeout", "1", "echo begun; sleep 100")
  expect(late).toMatchObject({ code: 125, stdout: "begun\n" })
  expect(late.stderr).toContain("(timeout)")
  expect(await cli("rm", "slow")).toMatchObject({ code: 0 })

  for (const args of [
    ["run"],
    ["nonsense"],
    ["serve", "--port", "70000"],
    ["run", "box", "--timeout", "x", "true"],
  ]) {
    const wrong = await cli(...args)
    expect({ args, code: wrong.code }).toEqual({ args, code: 2 })
    expect(wrong.stderr).not.toBe("")
  }
  const away = await opensandbox(["ls"], {
    env: { OPENSANDBOX_API_KEY: "ws_x", OPENSANDBOX_BASE_URL: "http://127.0.0.1:1" },
  })
  expect(away).toMatchObject({ code: 1, stdout: "" })
  expect(away.stderr).toMatch(/opensandbox serve[^]*\(unavailable\)/)
})

test("keys are made, listed and revoked beside the running server", async () => {
  const data = ["--data-dir", server.dataDirectory]
  const made = await cli("keys", "create", "--name", "mine", ...data)
  expect(made).toMatchObject({ code: 0, stdout: matching(/^ws_\S+\n$/), stderr: "" })
  const listed = (await json("keys", "list", ...data)) as {
    keys: { id: number; name: string; prefix: string }[]
  }
  const mine = listed.keys.find(({ name }) => name === "mine")
  expect(made.stdout.startsWith(mine?.prefix ?? "none")).toBe(true)
  expect(JSON.stringify(listed)).not.toContain(made.stdout.trim())
  expect(await cli("keys", "revoke", String(mine?.id), ...data)).toMatchObject({ code: 0 })
  expect(await cli("keys", "revoke", "999", ...data)).toMatchObject({
    code: 1,
    stderr: matching(/not_found/),
  })
})

test("doctor says what it found, and how to mend what is wrong", async () => {
  const dataDirectory = ["--data-dir", server.dataDirectory]
  const fine = await cli("doctor", "--port", new URL(server.url).port, ...dataDirectory)
  expect(fine).toMatchObject({ code: 0, stderr: "" })
  expect(fine.stdout).toMatch(/qemu[^]*an OpenSandbox server answers/)

  const { vm } = succeeded(await (await server.create()).info())
  const taken = await cli("doctor", "--json", "--port", String(vm.ssh_port), ...dataDirectory)
  const report = JSON.parse(taken.stdout) as { success: boolean; checks: Record<string, string>[] }
  expect({ code: taken.code, success: report.success }).toEqual({ code: 1, success: false })
  expect(report.checks.filter(({ state }) => state === "failed")).toEqual([
    { name: "port", state: "failed", found: matching(/listens/), mend: matching(/--port/) },
  ])
})

test("a second server on the same data is refused", async () => {
  const second = await cli("serve", "--port", "0", "--data-dir", server.dataDirectory)
  expect(second).toMatchObject({ code: 1, stdout: "" })
  expect(second.stderr).toMatch(/another OpenSandbox server/i)
})

test("files go in and come out, through pipes as well", async () => {
  const directory = await mkdtemp(join(tmpdir(), "osb-cp-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const local = join(directory, "notes.txt")
  await writeFile(local, "some notes\n")
  expect(await cli("create", "files")).toMatchObject({ code: 0 })
  expect(await cli("cp", local, "files:in/")).toMatchObject({ code: 0, stderr: "" })
  expect(await cli("run", "files", "cat in/notes.txt; seq 100000 > numbers")).toMatchObject({
    stdout: "some notes\n",
  })
  const { stdout: numbers } = await cli("cp", "files:numbers", "-")
  expect(numbers.split("\n")).toHaveLength(100_001)
  expect(await cli("cp", "files:in/notes.txt", join(directory, "copy"))).toMatchObject({ code: 0 })
  expect(await readFile(join(directory, "copy"), "utf8")).toBe("some notes\n")
  expect(await cli("cp", "files:none", directory)).toMatchObject({ code: 1, stderr: matching(/not_found/) })
  expect(await cli("rm", "files")).toMatchObject({ code: 0 })
})
