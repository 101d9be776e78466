import { rm } from "node:fs/promises"
import { join } from "node:path"
import { beforeAll, describe, expect, inject, test } from "vitest"
import { failpoints } from "../../server/src/failpoint/names.js"
import { eventually } from "../support/eventually.js"
import { serverStartMs, type TestServer } from "../support/server.js"
import { serverOnSmallDisk } from "../support/small-disk-server.js"
import { SmallDisk } from "../support/small-disk.js"
import { occasionsOf, perform, prepare, type Occasion } from "./operations.js"
import { Stage } from "./stage.js"

/** Room beside the copy of the image: for layers, and for a template that memories rest on. */
const roomBytes = 400 * 1024 * 1024

/** An operation reaches each of its steps, in the background too, in a second or two. */
const reachMs = 60_000
const occasionMs = 120_000

const small = serverOnSmallDisk(roomBytes)
let server: TestServer
let stage: Stage

beforeAll(async () => {
  if (!SmallDisk.possible) return
  server = small().server
  stage = await Stage.open(server)
}, serverStartMs)

describe.skipIf(!SmallDisk.possible).each(failpoints)("a disk that gets full at %s", (failpoint) => {
  test.each(occasionsOf(failpoint, inject("sizes").faults).filter(({ machinesDie }) => machinesDie !== true))(
    "of $operation loses nothing, and when there is room again everything works",
    async (occasion) => {
      try {
        await survive(failpoint, occasion)
      } catch (error) {
        const { output } = server
        await stage.reset()
        throw new Error(`the server said:\n${output}`, { cause: error })
      }
    },
    occasionMs,
  )
})

async function survive(failpoint: string, occasion: Occasion): Promise<void> {
  await prepare(occasion, stage)
  await server.restart(`${failpoint}:${occasion.nth ?? 1}:fill`)
  const result = await perform(occasion, stage)
  await eventually("the disk to be filled", reachMs, () =>
    server.output.includes(`{"failpoint":"${failpoint}"}`) ? true : undefined,
  )
  if (!result.success) {
    expect(["disk_full", "unavailable"]).toContain(result.code)
    stage.promises.refuse()
  }
  await rm(join(server.dataDirectory, "ballast"))
  await stage.verify()
  await stage.clear()
}

test.skipIf(!SmallDisk.possible)("the sandbox that nobody touched is whole, and nothing outlives it", () =>
  stage.close(),
)
