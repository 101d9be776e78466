import { access, chmod, mkdir, mkdtemp, rm, stat, truncate, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const qemu = "/usr/bin/qemu-system-x86_64"

/** QEMU, which crashes at its start as often as there are files for it in CRASHES, each with the words in it. */
const crashing = `#!/bin/bash
for crash in "$CRASHES"/*; do [ -e "$crash" ] && cat "$crash" >&2 && rm "$crash" && kill -SEGV $$; done
exec -a qemu-system-x86_64 ${qemu} "$@"
`

let server: TestServer
let crashes: string

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), "osb-crash-"))
  crashes = join(directory, "crashes")
  await mkdir(crashes)
  const program = join(directory, "qemu-system-x86_64")
  await writeFile(program, crashing)
  await chmod(program, 0o755)
  // It passes for the real one, whose templates it finds and leaves alone.
  const { size, mtime } = await stat(qemu)
  await truncate(program, size)
  await utimes(program, mtime, mtime)
  const path = [directory, process.env["PATH"]].join(delimiter)
  server = await TestServer.start({ env: { PATH: path, CRASHES: crashes } })
  return async () => {
    await server.dispose()
    await rm(directory, { recursive: true })
  }
}, serverStartMs)

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

test("a machine that crashes at its start is started once more, of which nobody notices", async () => {
  await writeFile(join(crashes, "1"), "")
  const sandbox = await server.create()
  expect(await isThere(join(crashes, "1"))).toBe(false)
  expect(succeeded(await sandbox.run("echo fine")).stdout).toBe("fine\n")

  await writeFile(join(crashes, "2"), "")
  succeeded(await sandbox.restore("initial"))
  expect(await isThere(join(crashes, "2"))).toBe(false)
  expect(succeeded(await sandbox.run("echo again")).stdout).toBe("again\n")
})

test("one that crashes again is told, and the next use of the sandbox starts another", async () => {
  const sandbox = await server.create()
  const before = server.machines()
  for (const crash of ["1", "2"]) await writeFile(join(crashes, crash), "")
  expect(failed(await sandbox.restore("initial")).code).toBe("unavailable")
  expect(server.machines()).toEqual(before)
  expect(succeeded(await sandbox.run("echo fine")).stdout).toBe("fine\n")
})

test("one that says why it ends is not started again, as it would say the same", async () => {
  const sandbox = await server.create()
  await writeFile(join(crashes, "1"), "no such thing")
  await writeFile(join(crashes, "2"), "")
  expect(failed(await sandbox.restore("initial")).code).toBe("unavailable")
  expect(await isThere(join(crashes, "2"))).toBe(true)
  expect(server.output).toContain("QEMU says: no such thing")
  await rm(join(crashes, "2"))
  expect(succeeded(await sandbox.run("echo fine")).stdout).toBe("fine\n")
})
