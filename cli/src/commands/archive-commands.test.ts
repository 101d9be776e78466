import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"
import { runCli } from "../testing/run-cli.js"

let api: FakeApi
let directory: string

beforeEach(async () => {
  api = await FakeApi.start()
  directory = await mkdtemp(join(tmpdir(), "opensandbox-archive-"))
})

afterEach(async () => {
  await api.close()
  await rm(directory, { recursive: true })
})

const archive = Buffer.from("the archive")
const type = "application/zstd"

const vm = {
  id: 1,
  name: "copy",
  status: "running",
  agent_port: 40001,
  ssh_port: 40002,
  agentHealthy: true,
  accelerator: "kvm",
  network: "none",
  snapshots: "disk",
  cpus: 1,
  memory_mb: 512,
  disk_gb: 10,
  idle_timeout: null,
  expires_at: null,
  degraded: null,
  created_at: "2026-01-02T03:04:05.678Z",
}

test("export writes the archive to the standard output", async () => {
  api.answers["GET /vms/box/export"] = { type, body: archive }
  expect(await api.cli(["export", "box"])).toEqual({ exitCode: 0, stdout: "the archive", stderr: "" })
  api.answers["GET /vms/box/export?snapshot=cmd_1&image=false"] = { type, body: archive }
  expect(await api.cli(["export", "box", "--snapshot", "cmd_1", "--without-image"])).toMatchObject({
    exitCode: 0,
    stdout: "the archive",
  })
})

test("export asks for more only when its reader has taken what there was", async () => {
  api.answers["GET /vms/box/export"] = { type, body: new Uint8Array(5_000_000) }
  let writing = 0
  let bytes = 0
  const stdoutBytes = async (chunk: Uint8Array) => {
    writing += 1
    expect(writing).toBe(1)
    await new Promise((resolve) => setImmediate(resolve))
    writing -= 1
    bytes += chunk.byteLength
  }
  expect((await api.cli(["export", "box"], { stdoutBytes })).exitCode).toBe(0)
  expect(bytes).toBe(5_000_000)
})

test("export refuses a terminal and says what to do", async () => {
  const isTerminal = { stdin: true, stdout: true, stderr: true }
  const { exitCode, stdout, stderr } = await api.cli(["export", "box"], { isTerminal })
  expect([exitCode, stdout]).toEqual([2, ""])
  expect(stderr).toContain("opensandbox export box > box.tar.zst")
})

test("an export that the server refuses says why", async () => {
  expect(await api.cli(["export", "none"])).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("(not_found)") as unknown,
  })
})

test("an export that breaks off says that the archive is incomplete", async () => {
  api.answers["GET /vms/box/export"] = { type, body: archive, breaksOff: true }
  const { exitCode, stderr } = await api.cli(["export", "box"])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/^opensandbox: the archive is incomplete/)
})

test.each(["EPIPE", "ENOSPC"])("an export that cannot be written (%s) is incomplete, too", async (code) => {
  api.answers["GET /vms/box/export"] = { type, body: archive }
  const stdoutBytes = () => Promise.reject(Object.assign(new Error(`write ${code}`), { code }))
  const { exitCode, stderr } = await api.cli(["export", "box"], { stdoutBytes })
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(new RegExp(`^opensandbox: the archive is incomplete.*write ${code}\n$`))
})

test("import sends a file or the standard input", async () => {
  api.answers["POST /vms/copy/import"] = { status: 201, body: vm }
  const file = join(directory, "box.tar.zst")
  await writeFile(file, "from a file")
  expect(await api.cli(["import", "copy", file])).toEqual({
    exitCode: 0,
    stdout: "Created copy\n",
    stderr: "",
  })
  const { stdout } = await api.cli(["import", "copy", "--json"], {
    stdin: () => new Blob(["from a pipe"]).stream(),
  })
  expect(JSON.parse(stdout)).toEqual({ success: true, sandbox: { name: "copy" } })
  expect(api.bodies).toEqual(["from a file", "from a pipe"])
})

test("import says what is wrong with the archive", async () => {
  const body = { error: "disk.qcow2 has another checksum", code: "invalid_request", field: "archive" }
  api.answers["POST /vms/copy/import"] = { status: 400, body }
  expect(await api.cli(["import", "copy"], { stdin: () => new Blob(["x"]).stream() })).toMatchObject({
    exitCode: 1,
    stderr: "opensandbox: disk.qcow2 has another checksum (invalid_request)\n",
  })
})

test("import does not wait for a person to type an archive", async () => {
  const isTerminal = { stdin: true, stdout: true, stderr: true }
  const { exitCode, stderr } = await api.cli(["import", "copy"], { isTerminal })
  expect(exitCode).toBe(2)
  expect(stderr).toContain("opensandbox import copy copy.tar.zst")
})

test.each([
  ["none", "ENOENT"],
  [".", "EISDIR"],
])("import says that the file %j cannot be read", async (name, code) => {
  const { exitCode, stderr } = await api.cli(["import", "copy", join(directory, name)])
  expect(exitCode).toBe(1)
  expect(stderr).toContain(code)
})

test("a terminal is shown how far a long transfer is, and no trace of it is left", async () => {
  let now = 0
  const world = {
    isTerminal: { stdin: false, stdout: false, stderr: true },
    now: () => now,
    stdin: () => {
      const sizes = [1_500_000, 9, 8_000_000]
      return new ReadableStream({
        pull: (controller) => {
          now += 1000
          const size = sizes.shift()
          if (size === undefined) controller.close()
          else controller.enqueue(new Uint8Array(size))
        },
      })
    },
  }
  api.answers["POST /vms/copy/import"] = { status: 201, body: vm }
  expect(await api.cli(["import", "copy"], world)).toEqual({
    exitCode: 0,
    stdout: "Created copy\n",
    stderr: "\r1.5 MB\r1.5 MB\r9.5 MB\r      \r",
  })
})

test("nobody but a person at a terminal is shown a transfer", async () => {
  let now = 0
  api.answers["GET /vms/box/export"] = { type, body: archive }
  expect((await api.cli(["export", "box"], { now: () => (now += 5000) })).stderr).toBe("")
})

test("without a server import says how to start one", async () => {
  const { exitCode, stderr } = await runCli(["import", "copy"], { stdin: () => new Blob(["x"]).stream() })
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/opensandbox serve.*\(unavailable\)/)
})
