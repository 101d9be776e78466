import { rm, statfs, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { askCounter, countsOn, startCounter, type Count } from "../support/counter.js"
import { sizeOfImage } from "../support/image-size.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SmallDisk } from "../support/small-disk.js"

const mebibyte = 1024 * 1024

/** Room beside the copy of the image. */
const roomBytes = 400 * mebibyte

/** What a guest has in its memory that is in no template; more than is left when a pause is begun. */
const memoryBytes = 120 * mebibyte

/** Enough for a pause to begin, and not to end. */
const leftBytes = 100 * mebibyte

let server: TestServer
let disk: SmallDisk

if (!SmallDisk.possible)
  console.warn("SKIPPED: only root can make the small disk that has no room for a machine's memory")

beforeAll(async () => {
  if (!SmallDisk.possible) return
  disk = await SmallDisk.make((await sizeOfImage()) + roomBytes)
  server = await TestServer.start({ dataDirectory: join(disk.path, "data") })
}, serverStartMs)

afterAll(async () => {
  if (!SmallDisk.possible) return
  try {
    await server.dispose()
  } finally {
    await disk.dispose()
  }
})

/** Fills the disk up to what is to be left. @returns what makes room again. */
async function fill(left: number): Promise<() => Promise<void>> {
  const ballast = join(disk.path, "ballast")
  const { bavail, bsize } = await statfs(disk.path)
  await writeFile(ballast, Buffer.alloc(bavail * bsize - left, 1))
  return () => rm(ballast)
}

test.skipIf(!SmallDisk.possible)(
  "a machine whose memory does not fit on the disk goes on, and can be paused when there is room",
  { timeout: 240_000 },
  async () => {
    const sandbox = await server.create()
    await startCounter(sandbox)
    const counted = async (): Promise<Count> => {
      const count = await askCounter(sandbox)
      if (count === undefined) throw new Error("there is no counter")
      return count
    }
    succeeded(await sandbox.run(`head -c ${memoryBytes} /dev/urandom > /dev/shm/blob`, { timeout: 120 }))
    const machines = server.machines()
    for (const left of [leftBytes, 40 * mebibyte]) {
      const count = await counted()
      const empty = await fill(left)
      expect(failed(await sandbox.pause()).code).toBe("disk_full")
      expect(succeeded(await sandbox.info()).vm.status).toBe("running")
      expect(server.machines()).toEqual(machines)
      await empty()
      await countsOn(sandbox, count)
      succeeded(await sandbox.run("echo still > file"))
    }
    const count = await counted()
    expect(succeeded(await sandbox.pause()).vm.status).toBe("paused")
    await countsOn(sandbox, count)
    expect(succeeded(await sandbox.run("cat file; stat -c %s /dev/shm/blob")).stdout).toBe(
      `still\n${memoryBytes}\n`,
    )
  },
)
