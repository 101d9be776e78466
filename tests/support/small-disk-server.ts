import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { sizeOfImage } from "./image-size.js"
import { serverStartMs, TestServer } from "./server.js"
import { SmallDisk } from "./small-disk.js"

/** A server whose data directory is a small disk. */
interface SmallDiskServer {
  readonly server: TestServer
  readonly disk: SmallDisk
  /** The size that the disk begins with. */
  readonly diskBytes: number
}

/**
 * Starts a server on a small disk before the tests of a file, and ends both after them. Says so where that cannot be
 * done; the tests are then to be skipped by `SmallDisk.possible`.
 *
 * @param roomBytes Room beside the server's copy of the image.
 * @returns what gives it, once the tests run.
 */
export function serverOnSmallDisk(roomBytes: number): () => SmallDiskServer {
  let server: TestServer | undefined
  let disk: SmallDisk | undefined
  let diskBytes = 0

  beforeAll(async () => {
    if (!SmallDisk.possible) {
      console.warn("SKIPPED: only root can make the small disk that is to be filled")
      return
    }
    diskBytes = (await sizeOfImage()) + roomBytes
    disk = await SmallDisk.make(diskBytes)
    server = await TestServer.start({ dataDirectory: join(disk.path, "data") })
  }, serverStartMs)

  afterAll(async () => {
    try {
      await server?.dispose()
    } finally {
      await disk?.dispose()
    }
  })

  return () => {
    if (server === undefined || disk === undefined)
      throw new Error("the server on a small disk did not start")
    return { server, disk, diskBytes }
  }
}
