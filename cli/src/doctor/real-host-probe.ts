import { execFile } from "node:child_process"
import { access, constants, mkdtemp, rm, statfs } from "node:fs/promises"
import { createServer } from "node:net"
import { freemem, tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import type { HostProbe } from "./host-probe.js"

/** The host that this process runs on. */
export const realHostProbe: HostProbe = {
  nodeVersion: () => process.version,
  outputOf: async (program, args) => {
    try {
      return (await promisify(execFile)(program, args, { timeout: 10_000 })).stdout
    } catch {
      return undefined
    }
  },
  isReadable: (path) => isAllowed(path, constants.R_OK),
  kvmDevice: async () => {
    if (!(await isAllowed("/dev/kvm", constants.F_OK))) return "missing"
    return (await isAllowed("/dev/kvm", constants.R_OK | constants.W_OK)) ? "opens" : "forbidden"
  },
  currentImage: async () => {
    const { currentImage, defaultCacheDirectory } = await import("@opensandbox/image")
    return currentImage(defaultCacheDirectory())
  },
  accelerator: tryAccelerator,
  freeBytes: async (directory) => {
    let place = directory
    while (!(await isAllowed(place, constants.F_OK)) && place !== dirname(place)) place = dirname(place)
    if (!(await isAllowed(place, constants.W_OK))) return undefined
    const { bavail, bsize } = await statfs(place)
    return bavail * bsize
  },
  listenError: (host, port) =>
    new Promise((resolve) => {
      const server = createServer()
      server.once("error", (error: NodeJS.ErrnoException) => {
        resolve(error.code ?? error.message)
      })
      server.listen(port, host, () => {
        server.close(() => {
          resolve(undefined)
        })
      })
    }),
  serverAnswers: async (host, port) => {
    try {
      const name = host.includes(":") ? `[${host}]` : host
      const response = await fetch(`http://${name}:${port}/health`, { signal: AbortSignal.timeout(2_000) })
      return ((await response.json()) as { status?: unknown }).status === "ok"
    } catch {
      return false
    }
  },
  availableMemory: freemem,
}

/** Opens a machine room as the server does, in a place of its own: that boots a guest unless the cache has a template. */
async function tryAccelerator(imageDirectory: string): Promise<{ accelerator: string; reason: string }> {
  const { defaultCacheDirectory } = await import("@opensandbox/image")
  const { ImageShelf, MachineRoom } = await import("@opensandbox/vm")
  const image = await new ImageShelf(dirname(imageDirectory)).get(basename(imageDirectory))
  const dataDirectory = await mkdtemp(join(tmpdir(), "opensandbox-doctor-"))
  try {
    const cacheDirectory = defaultCacheDirectory()
    const room = await MachineRoom.open({
      dataDirectory,
      cacheDirectory,
      image,
      size: { cpus: 1, memoryMiB: 512 },
      durability: "process",
    })
    return room.choice
  } finally {
    await rm(dataDirectory, { recursive: true })
  }
}

async function isAllowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
