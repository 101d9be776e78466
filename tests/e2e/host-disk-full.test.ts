import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverOnSmallDisk } from "../support/small-disk-server.js"
import { SmallDisk } from "../support/small-disk.js"
import { hashCommand, workspaceHash } from "../support/workspace.js"

const mebibyte = 1024 * 1024

/** Room beside the copy of the image. */
const roomBytes = 220 * mebibyte

const answerMs = 60_000

const small = serverOnSmallDisk(roomBytes)

/** Writes more than there is room for. */
const fill = "echo begun; dd if=/dev/zero of=big bs=1M count=600 conv=fsync 2>&1; echo never"

test.skipIf(!SmallDisk.possible)(
  "a full host disk fails the command, harms no snapshot, and is over when there is room",
  { timeout: 240_000 },
  async () => {
    const { server, disk, diskBytes } = small()
    const sandbox = await server.create()
    const bystander = await server.create()
    const first = succeeded(await sandbox.run(`head -c 5M /dev/urandom > random; ${hashCommand}`))
    const second = succeeded(await sandbox.run(`mkdir d; echo two > d/two; ${hashCommand}`))
    const { snapshots } = succeeded(await sandbox.snapshots())

    const start = performance.now()
    expect(failed(await sandbox.run(fill, 120))).toMatchObject({ code: "disk_full", stdout: "begun\n" })
    expect(performance.now() - start).toBeLessThan(answerMs)

    // As long as it is full, everything answers, and says why it cannot be done.
    expect(failed(await sandbox.run("echo more > more")).code).toBe("disk_full")
    expect(failed(await bystander.run("echo more > more")).code).toBe("disk_full")
    expect(failed(await server.client().create("another")).code).toBe("disk_full")
    expect(succeeded(await server.client().list()).vms).toHaveLength(2)
    expect(succeeded(await sandbox.snapshots()).snapshots).toEqual(snapshots)

    await disk.resize(diskBytes + 800 * mebibyte)
    expect(succeeded(await bystander.run("echo fine")).stdout).toBe("fine\n")
    const after = succeeded(
      await sandbox.run("cat d/two; sha256sum random; pgrep -x dd; touch goes-on && echo on"),
    )
    expect(after.stdout).toMatch(/^two\n[0-9a-f]{64} {2}random\non\n$/)
    succeeded(await sandbox.restore(second.snapshot))
    expect(await workspaceHash(sandbox)).toBe(second.stdout.trim())
    succeeded(await sandbox.restore(first.snapshot))
    expect(await workspaceHash(sandbox)).toBe(first.stdout.trim())
    for (const box of [sandbox, bystander]) succeeded(await box.destroy())
    expect(await readdir(join(server.dataDirectory, "layers"))).toEqual([])
    await disk.resize(diskBytes)
  },
)

test.skipIf(!SmallDisk.possible)(
  "what makes room works on a disk without any: destroy, restore, and the server's end",
  { timeout: 240_000 },
  async () => {
    const { server } = small()
    const { name } = await server.create()
    const kept = succeeded(await server.sandbox(name).run(`echo kept > kept; ${hashCommand}`))
    const unneeded = await server.create()
    expect(failed(await server.sandbox(name).run(fill, 120)).code).toBe("disk_full")
    succeeded(await unneeded.destroy())
    succeeded(await server.sandbox(name).restore(kept.snapshot))
    expect(await workspaceHash(server.sandbox(name))).toBe(kept.stdout.trim())

    expect(failed(await server.sandbox(name).run(fill, 120)).code).toBe("disk_full")
    await server.restart()
    succeeded(await server.sandbox(name).restore(kept.snapshot))
    expect(await workspaceHash(server.sandbox(name))).toBe(kept.stdout.trim())

    expect(failed(await server.sandbox(name).run(fill, 120)).code).toBe("disk_full")
    await server.kill()
    await server.restart()
    succeeded(await server.sandbox(name).restore(kept.snapshot))
    expect(await workspaceHash(server.sandbox(name))).toBe(kept.stdout.trim())
    succeeded(await server.sandbox(name).destroy())
  },
)
