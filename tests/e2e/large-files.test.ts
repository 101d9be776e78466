import { createHash, randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { expect, inject, test } from "vitest"
import { succeeded } from "../support/results.js"
import { TestServer } from "../support/server.js"

const { pieces, pieceBytes } = inject("sizes").largeFile

/** How long gigabytes may take in software emulation on a busy machine, in milliseconds. */
const largeMs = 1_800_000

/** How much more memory the server may take than before, in bytes. */
const mostGrowth = 150 * 1024 * 1024

test(
  "a large file goes in and comes out as it is, and the server does not grow",
  { timeout: largeMs },
  async () => {
    const server = await TestServer.start()
    try {
      const sandbox = await server.create()
      const piece = new Uint8Array(randomBytes(pieceBytes))
      const sum = createHash("sha256")
      let left = pieces
      const source = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          if (left-- === 0) {
            controller.close()
            return
          }
          piece[0] = left % 256
          sum.update(piece)
          controller.enqueue(piece.slice())
        },
      })
      const before = await memory(server, "VmRSS")
      succeeded(await sandbox.files.write("large", source, { snapshot: false }))
      expect(succeeded(await sandbox.files.stat("large")).file.size).toBe(pieces * pieceBytes)
      const { content } = succeeded(await sandbox.files.read("large", { encoding: "stream" }))
      const back = createHash("sha256")
      await content.pipeTo(new WritableStream<Uint8Array>({ write: (part) => void back.update(part) }))
      expect(back.digest("hex")).toBe(sum.digest("hex"))
      expect((await memory(server, "VmHWM")) - before).toBeLessThan(mostGrowth)
    } finally {
      await server.dispose()
    }
  },
)

/** What the server's process has in memory now, or had at most, in bytes. */
async function memory(server: TestServer, which: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8")
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024
}
