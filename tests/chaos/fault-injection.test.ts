import { afterAll, beforeAll, describe, expect, inject, test } from "vitest"
import { failpoints } from "../../server/src/failpoint/names.js"
import { killMachine } from "../support/machines.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { occasionsOf, perform, prepare, type Occasion } from "./operations.js"
import { Stage } from "./stage.js"

/** As many servers as vitest runs concurrent tests: each waits for one machine after the other. */
const servers = 2

/** An operation reaches each of its steps, in the background too, in a second or two. */
const deathMs = 60_000
const occasionMs = 120_000

const stages: Stage[] = []

beforeAll(async () => {
  for (let count = 0; count < servers; count++) {
    // One keeps a machine ready, the other none. Which steps meet it is left to chance: all must be right either way.
    const env = { OPENSANDBOX_POOL_SIZE: String(count % 2) }
    stages.push(await Stage.open(await TestServer.start({ env })))
  }
}, serverStartMs)

afterAll(() => Promise.all(stages.map(({ server }) => server.dispose())))

describe.concurrent.each(failpoints)("a server that dies at %s", (failpoint) => {
  for (const occasion of occasionsOf(failpoint, inject("sizes").faults)) {
    const machines = occasion.machinesDie === true ? ", and its machines with it," : ""
    const title = `of "${occasion.operation}"${machines} has lost nothing and left nothing`
    test(title, { timeout: occasionMs }, async () => {
      const stage = stages.pop()
      if (stage === undefined) throw new Error("more tests run at the same time than there are servers")
      try {
        await survive(stage, failpoint, occasion)
      } catch (error) {
        const { output } = stage.server
        await stage.reset()
        throw new Error(`the server said:\n${output}`, { cause: error })
      } finally {
        stages.push(stage)
      }
    })
  }
})

async function survive(stage: Stage, failpoint: string, occasion: Occasion): Promise<void> {
  const { server } = stage
  await prepare(occasion, stage)
  await server.restart(`${failpoint}:${occasion.nth ?? 1}`)
  await perform(occasion, stage)
  await server.killedItself(deathMs)
  if (occasion.machinesDie === true) {
    for (const machine of server.machines()) await killMachine(server.dataDirectory, machine)
  }
  await server.restart()
  await stage.verify()
  await stage.clear()
}

test("the sandboxes that nobody touched are whole, and nothing outlives them", async () => {
  expect(stages).toHaveLength(servers)
  for (const stage of stages) await stage.close()
})
