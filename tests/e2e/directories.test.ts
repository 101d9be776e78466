import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sandbox, TransferProgress } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exec, opensandbox } from "../support/cli.js"
import { locally, makeTree, treeHash } from "../support/local-tree.js"
import { matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const treeFiles = 2000

/** What passes in the test of memory, and how much of it a server may hold, in bytes. */
const largeBytes = 128 * 1024 * 1024
const mostGrowth = 64 * 1024 * 1024

/** How long much may take in software emulation, in milliseconds. */
const longMs = 300_000

let server: TestServer
let sandbox: Sandbox
let local: string

beforeAll(async () => {
  local = await mkdtemp(join(tmpdir(), "osb-local-"))
  server = await TestServer.start()
  sandbox = await server.create()
}, serverStartMs)

afterAll(async () => {
  await rm(local, { recursive: true, force: true })
  await server.dispose()
})

const inGuest = async (command: string, timeout = 120) =>
  succeeded(await sandbox.run(command, { timeout, snapshot: false })).stdout

/** A request by another client. */
const curl = (path: string, ...args: string[]) =>
  exec("curl", [
    "-sS",
    "-H",
    `x-api-key: ${server.apiKey}`,
    ...args,
    `${server.url}/vms/${sandbox.name}/files/${path}`,
  ])

test(
  `a tree of ${treeFiles} files with odd names is the same in the sandbox, and when it is back`,
  { timeout: longMs },
  async () => {
    const [from, to] = [join(local, "tree"), join(local, "back")]
    makeTree(from, treeFiles)
    const hash = locally(from, treeHash)
    const told: TransferProgress[] = []

    const up = succeeded(
      await sandbox.files.upload(from, "deep/tree", { onProgress: (progress) => told.push(progress) }),
    )
    expect(up.files).toBeGreaterThan(treeFiles)
    expect(up.snapshot).toMatch(/^file_\d+$/)
    const whole = { files: up.files, bytes: up.bytes, totalFiles: up.files, totalBytes: up.bytes }
    expect(told.at(-1)).toEqual(whole)
    expect(await inGuest(`cd deep/tree && ${treeHash}`)).toBe(hash)
    expect(await inGuest("find deep ! -user root -o ! -group root")).toBe("")

    told.length = 0
    const down = succeeded(
      await sandbox.files.download("deep/tree", to, { onProgress: (progress) => told.push(progress) }),
    )
    expect(down).toEqual({ success: true, files: up.files, bytes: up.bytes })
    expect(told[0]).toMatchObject({ totalFiles: up.files, totalBytes: up.bytes })
    expect(told.at(-1)).toEqual(whole)
    expect(locally(to, treeHash)).toBe(hash)
  },
)

test("an upload can be undone, and takes no snapshot when it is told not to", async () => {
  await writeFile(join(local, "file"), "one")
  const directory = join(local, "small")
  locally(local, "mkdir small; mv file small")
  succeeded(await sandbox.files.upload(directory, "undone"))
  succeeded(await sandbox.undo())
  expect(await inGuest("ls undone 2> /dev/null | wc -l")).toBe("0\n")

  const before = succeeded(await sandbox.snapshots()).snapshots.length
  expect(succeeded(await sandbox.files.upload(directory, "kept", { snapshot: false })).snapshot).toBeNull()
  expect(succeeded(await sandbox.snapshots()).snapshots).toHaveLength(before)
  expect(await inGuest("cat kept/file")).toBe("one")
})

test("other clients send and get archives with their own tar", async () => {
  makeTree(join(local, "other"), 20)
  const hash = locally(join(local, "other"), treeHash)
  locally(local, "tar -c --format=pax --owner=1234 --group=77 -C other -f other.tar .")
  const sent = await curl("tar?path=other", "-T", join(local, "other.tar"))
  expect(JSON.parse(sent.stdout)).toMatchObject({
    files: expect.any(Number) as unknown,
    snapshot: matching(/^file_/),
  })
  expect(await inGuest(`cd other && ${treeHash}; stat -c '%u %g' zeros`)).toBe(`${hash}1234 77\n`)
  expect(await curl("tar?path=other", "-o", join(local, "again.tar"))).toMatchObject({ code: 0 })
  locally(local, "mkdir again; tar -x -C again -f again.tar")
  expect(locally(join(local, "again"), treeHash)).toBe(hash)
  // What is zeros takes no room.
  expect(Number(await inGuest("stat -c %b other/zeros"))).toBeLessThan(100)
})

test("an archive that reaches out of its directory is refused", async () => {
  locally(
    local,
    "mkdir -p bad/a; echo x > bad/a/x; tar -c -P --transform 's,^,../../etc/,' -C bad -f bad.tar a/x; tar -c -f link.tar -C bad --transform 's,nothing,,' a",
  )
  const { stdout } = await curl("tar?path=target", "-T", join(local, "bad.tar"))
  expect(JSON.parse(stdout)).toMatchObject({ code: "invalid_request", error: matching(/archive is refused/) })
  expect(await inGuest("ls -d /etc/a 2>&1 | grep -c cannot")).toBe("1\n")

  await inGuest("mkdir -p linked && ln -s /etc linked/a")
  const second = await sandbox.files.uploadTar(await readFile(join(local, "link.tar")), "linked")
  // The directory in the archive takes the place of the link.
  expect(second).toMatchObject({ success: true })
  expect(await inGuest("ls -d /etc/x 2>&1 | grep -c cannot; cat linked/a/x")).toBe("1\nx\n")

  expect(failed(await sandbox.files.uploadTar(Buffer.from("no archive".repeat(200)), "x"))).toMatchObject({
    code: "invalid_request",
  })
})

test("what is no directory is not sent, what is neither that nor a file not watched, and that is said at once", async () => {
  await inGuest("touch plain")
  for (const [path, code] of [
    ["none", "not_found"],
    ["plain", "invalid_request"],
  ] as const) {
    expect(failed(await sandbox.files.downloadTar(path))).toMatchObject({
      code,
      error: expect.stringContaining(path) as unknown,
    })
  }
  expect(failed(await sandbox.files.watch("none")).code).toBe("not_found")
  expect(failed(await sandbox.files.watch("/dev/null")).code).toBe("invalid_request")
  expect(failed(await sandbox.files.downloadTar("a\0b"))).toMatchObject({
    code: "invalid_request",
    field: "path",
  })
  expect(failed(await sandbox.files.upload(join(local, "none"), "x")).code).toBe("invalid_request")
})

test("a restore interrupts transfers, and nothing of them comes after it", async () => {
  locally(local, "mkdir -p half; head -c 100000 /dev/zero > half/file; tar -c -f half.tar -C half file")
  const begun = (await readFile(join(local, "half.tar"))).subarray(0, 50_000)
  const endless = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(begun)
    },
  })
  const uploading = sandbox.files.uploadTar(endless, "interrupted")
  await expect.poll(() => inGuest("ls interrupted 2> /dev/null | wc -l"), { timeout: 60_000 }).toBe("1\n")
  succeeded(await sandbox.restore("initial"))
  expect(failed(await uploading).code).toBe("interrupted")
  expect(await inGuest("ls -A")).toBe("")
})

test("however large a directory is, the server's memory is not", { timeout: longMs }, async () => {
  await inGuest(`mkdir large && head -c ${largeBytes} /dev/urandom > large/noise`, 240)
  const memory = async () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${server.pid}/status`, "utf8"))?.[1]) * 1024
  const before = await memory()
  let most = before
  const timer = setInterval(() => void memory().then((now) => (most = Math.max(most, now))), 100)
  try {
    succeeded(await sandbox.files.download("large", join(local, "large")))
    succeeded(await sandbox.files.upload(join(local, "large"), "back", { snapshot: false }))
  } finally {
    clearInterval(timer)
  }
  expect(most - before).toBeLessThan(mostGrowth)
  expect(await inGuest("cmp large/noise back/noise && echo same", 240)).toBe("same\n")
})

test("directories are copied on the command line, both ways", async () => {
  makeTree(join(local, "cli"), 30)
  const env = { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url }
  const cp = (...args: string[]) => opensandbox(["cp", "-r", ...args], { env, cwd: local })
  expect(await cp("cli", `${sandbox.name}:`)).toMatchObject({ code: 0, stderr: "" })
  expect(await cp(`${sandbox.name}:cli`, "cli-back")).toMatchObject({ code: 0, stderr: "" })
  expect(locally(join(local, "cli-back"), treeHash)).toBe(locally(join(local, "cli"), treeHash))
  expect(await cp("nothing", `${sandbox.name}:x`)).toMatchObject({ code: 1, stdout: "" })
})
