import { currentImage, defaultCacheDirectory } from "@opensandbox/image"
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { workspaceHash } from "../support/workspace.js"

const moveMs = 240_000

let here: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  here = await TestServer.start()
  sandbox = await here.create()
  succeeded(await sandbox.run("mkdir -p a/b; ln -s ../x a/link; head -c 300000 /dev/urandom > a/b/noise"))
}, serverStartMs)

afterAll(() => here.dispose())

test("a sandbox comes back from its archive as it was, and the two go their own ways", async () => {
  const marked = succeeded(await sandbox.run("echo one > x; chmod 640 x; sudo touch /etc/marked"))
  const hash = await workspaceHash(sandbox)
  succeeded(await sandbox.run("echo two > x"))

  const { archive } = succeeded(await sandbox.export({ snapshot: marked.snapshot, image: false }))
  const copy = succeeded(await here.client().import("copy", archive)).sandbox
  expect(await workspaceHash(copy)).toBe(hash)
  expect(succeeded(await copy.run("ls /etc/marked")).exitCode).toBe(0)

  const [initial, imported] = succeeded(await copy.snapshots()).snapshots
  expect(initial?.snapshot_name).toBe("initial")
  expect(imported).toMatchObject({
    command: "echo one > x; chmod 640 x; sudo touch /etc/marked",
    exit_code: 0,
  })
  succeeded(await copy.run("rm -r a x"))
  expect(succeeded(await sandbox.run("cat x; ls a")).stdout).toBe("two\nb\nlink\n")
  succeeded(await copy.restore(imported?.snapshot_name ?? ""))
  expect(await workspaceHash(copy)).toBe(hash)
  succeeded(await copy.destroy())
})

test("an archive that was cut off makes no sandbox, and leaves nothing", async () => {
  const { archive } = succeeded(await sandbox.export({ image: false }))
  const bytes = new Uint8Array(await new Response(archive).arrayBuffer())
  const result = await here.client().import("half", bytes.slice(0, bytes.length / 2))
  expect(failed(result)).toMatchObject({ code: "invalid_request" })
  expect(failed(await here.sandbox("half").info()).code).toBe("not_found")
  expect(await readdir(join(here.dataDirectory, "scratch"))).toEqual([])
})

test("a sandbox moves to a server that has another image, with its own", { timeout: moveMs }, async () => {
  const cache = await cacheOfAnotherImage()
  onTestFinished(() => rm(cache, { recursive: true }))
  const there = await TestServer.start({ env: { OPENSANDBOX_CACHE_DIR: cache } })
  onTestFinished(() => there.dispose())

  const hash = await workspaceHash(sandbox)
  const bare = succeeded(await sandbox.export({ image: false }))
  expect(failed(await there.client().import("moved", bare.archive)).error).toMatch(/--without-image/)

  const whole = succeeded(await sandbox.export())
  const moved = succeeded(await there.client().import("moved", whole.archive)).sandbox
  expect(await workspaceHash(moved)).toBe(hash)
  const images = join(there.dataDirectory, "images")
  expect(await readdir(images)).toEqual([anotherKey, expect.stringMatching(/^x/)])
  succeeded(await moved.destroy())
  expect(await readdir(images)).toEqual([anotherKey])
})

const anotherKey = "0abc"

/** A cache directory with an image that works like the one here, and is another one by key and content. */
async function cacheOfAnotherImage(): Promise<string> {
  const image = await currentImage(defaultCacheDirectory())
  if (image === undefined) throw new Error("there is no image")
  const cache = await mkdtemp(join(tmpdir(), "osb-cache-"))
  const directory = join(cache, "images", anotherKey)
  await mkdir(directory, { recursive: true })
  for (const name of ["vmlinuz", "base.raw", "blank.qcow2"])
    await symlink(join(image, name), join(directory, name))
  // Zeros behind an initramfs mean nothing to the kernel.
  await writeFile(join(directory, "initramfs"), [await readFile(join(image, "initramfs")), Buffer.alloc(512)])
  const description = JSON.parse(await readFile(join(image, "image.json"), "utf8")) as object
  await writeFile(join(directory, "image.json"), JSON.stringify({ ...description, key: anotherKey }))
  await writeFile(join(cache, "images", "current"), anotherKey)
  // What was found out about this host holds there, too.
  await copyFile(join(defaultCacheDirectory(), "accelerator.json"), join(cache, "accelerator.json"))
  return cache
}
