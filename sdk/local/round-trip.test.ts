import { execFileSync } from "node:child_process"
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { TransferProgress } from "./progress.js"
import { localArchive, takeLocally } from "./transfer.js"

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "local-"))
})
afterEach(async () => {
  vi.unstubAllGlobals()
  await rm(directory, { recursive: true, force: true })
})

/** What a shell command prints in the test's directory. */
const shell = (command: string, input?: Uint8Array) =>
  execFileSync("bash", ["-c", command], { cwd: directory, input, encoding: "utf8" })

const makeTree = String.raw`
  mkdir -p from/a/b from/empty && cd from
  printf content > a/file; chmod 640 a/file; touch -d '2001-02-03 04:05:06.789' a/file
  head -c 300000 /dev/urandom > "$(printf 'caf\351 \n*')"; printf ü > größe; : > a/b/none
  ln -s ../nowhere a/link; ln a/file second; chmod 711 empty; touch -d '1980-01-01' empty
  long=$(printf 'x%.0s' {1..200}); mkdir -p $long/$long; printf deep > $long/$long/$long; ln -s $long/$long/$long to
  mkfifo pipe; touch -h -d '1999-09-09 09:09:09.5' a/link`

/** Prints all below a directory, with what an archive keeps of it. */
const show = (name: string) =>
  shell(
    String.raw`cd ${name} && find . -mindepth 1 ! -type p -printf '%P %y %m %.22T+ %l %n\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum`,
  )

async function archived(name: string): Promise<ReadableStream<Uint8Array>> {
  const archive = await localArchive(join(directory, name), undefined)
  if ("success" in archive) throw new Error(archive.error)
  return archive
}

/** A sandbox of which only an archive is known, and perhaps how much is in it. */
const whole = (archive: ReadableStream<Uint8Array>, size?: { files: number; bytes: number }) => ({
  measure: () => Promise.resolve(size),
  archive: () => Promise.resolve({ success: true as const, archive }),
})

const take = (archive: ReadableStream<Uint8Array>, name = "to") =>
  takeLocally(whole(archive), join(directory, name), undefined)

test("a tree comes back as it was", async () => {
  shell(makeTree)
  const result = await take(await archived("from"))
  expect(result).toEqual({ success: true, files: 13, bytes: 300_000 + 7 + 2 + 4 })
  expect(show("to")).toBe(show("from"))
})

test("other programs read what is sent, and what they write is taken", async () => {
  shell(makeTree)
  shell("mkdir gnu && tar -x -C gnu", await buffer(await archived("from")))
  expect(show("gnu")).toBe(show("from"))
  shell("tar -c --format=pax --exclude=./pipe -C from -f all.tar .")
  const archive = new Blob([await readFile(join(directory, "all.tar"))]).stream()
  expect(await take(archive)).toMatchObject({ success: true })
  expect(show("to")).toBe(show("from"))
})

test("progress is told", async () => {
  shell("mkdir from; printf 12345 > from/a; printf 1 > from/b")
  const told: unknown[] = []
  const archive = await localArchive(join(directory, "from"), (progress) => told.push(progress))
  if ("success" in archive) throw new Error(archive.error)
  await take(archive)
  expect(told[0]).toEqual({ files: 1, bytes: 0, totalFiles: 2, totalBytes: 6 })
  expect(told.at(-1)).toEqual({ files: 2, bytes: 6, totalFiles: 2, totalBytes: 6 })
})

test("progress of what comes has the totals that the sandbox says, if it says any", async () => {
  shell("mkdir from; printf 12345 > from/a")
  for (const [size, totals] of [
    [
      { files: 1, bytes: 5 },
      { totalFiles: 1, totalBytes: 5 },
    ],
    [undefined, {}],
  ] as const) {
    const told: unknown[] = []
    await takeLocally(whole(await archived("from"), size), join(directory, "to"), (now) => told.push(now))
    expect(told.at(-1)).toEqual({ files: 1, bytes: 5, ...totals })
  }
})

test("as much is counted ahead as is sent", async () => {
  shell(makeTree)
  let last: TransferProgress | undefined
  const archive = await localArchive(join(directory, "from"), (progress) => (last = progress))
  if ("success" in archive) throw new Error(archive.error)
  await buffer(archive)
  expect(last).toMatchObject({ totalFiles: last?.files, totalBytes: last?.bytes })
})

test("what is there is replaced, and the rest stays", async () => {
  shell(
    "mkdir -p from/d to/d outside; printf new > from/f; printf in > from/d/in; mkdir from/l; printf x > from/l/made",
  )
  shell("printf 'old, and longer' > to/f; ln to/f other; printf kept > to/d/kept; ln -s ../outside to/l")
  expect(await take(await archived("from"))).toMatchObject({ success: true })
  expect(shell("cat to/f to/d/in to/d/kept to/l/made other; ls outside")).toBe("newinkeptxold, and longer")
})

test.each([
  ["that is missing", "none"],
  ["that is a file", "file"],
])("a directory %s is not sent", async (_, name) => {
  await writeFile(join(directory, "file"), "")
  expect(await localArchive(join(directory, name), undefined)).toMatchObject({
    success: false,
    code: "invalid_request",
  })
})

test("a directory that cannot be made is not written to", async () => {
  await writeFile(join(directory, "file"), "")
  shell("mkdir from")
  expect(await take(await archived("from"), "file/to")).toMatchObject({ code: "invalid_request" })
})

test("where there is no file system that is said, and nothing is asked of the server", async () => {
  vi.stubGlobal("process", undefined)
  expect(await localArchive("from", undefined)).toMatchObject({ code: "invalid_request" })
  const remote = { measure: vi.fn(), archive: vi.fn() }
  expect(await takeLocally(remote, "to", undefined)).toMatchObject({ code: "invalid_request" })
  expect(remote.measure).not.toHaveBeenCalled()
  expect(remote.archive).not.toHaveBeenCalled()
})

test("a download that breaks off is a failure, and leaves no half file", async () => {
  shell("mkdir from; head -c 200000 /dev/urandom > from/a")
  const whole = await buffer(await archived("from"))
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(whole.subarray(0, 150_000))
    },
    pull: (controller) => {
      controller.error(new Error("http://server broke off: ECONNRESET"))
    },
  })
  expect(await take(broken)).toEqual({
    success: false,
    code: "unavailable",
    error: "http://server broke off: ECONNRESET",
  })
  expect(shell("ls -A to")).toBe("")
})

test("an archive may be let go of in its middle", async () => {
  shell("mkdir from; head -c 900000 /dev/urandom > from/a")
  const reader = (await archived("from")).getReader()
  await reader.read()
  await reader.cancel()
  expect(await reader.read()).toEqual({ done: true, value: undefined })
})

test("no permission bit runs a program as somebody else", async () => {
  shell("mkdir from; touch from/a; chmod 6755 from/a; mkdir -m 1777 from/d")
  expect(await take(await archived("from"))).toMatchObject({ success: true })
  expect((await stat(join(directory, "to/a"))).mode & 0o7777).toBe(0o755)
  expect((await stat(join(directory, "to/d"))).mode & 0o7777).toBe(0o777)
})

test("a link to the directory itself is followed", async () => {
  shell("mkdir real; printf x > real/a")
  await symlink("real", join(directory, "from"))
  expect(await take(await archived("from"))).toMatchObject({ success: true, files: 1 })
})
