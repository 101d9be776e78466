import fc from "fast-check"
import { afterAll, beforeAll, expect, inject, test } from "vitest"
import { serverStartMs, TestServer } from "../support/server.js"
import { step } from "./step.js"
import { World } from "./world.js"

const { plans, steps } = inject("sizes").timeTravel

/** For each plan, with the visits at its end; a slow machine takes a tenth of it. */
const planMs = 10 * 60_000

let server: TestServer

beforeAll(async () => {
  // Whether a step finds a machine ready is left to chance: both have to be right.
  server = await TestServer.start({ env: { OPENSANDBOX_POOL_SIZE: "1" } })
}, serverStartMs)

afterAll(() => server.dispose())

test(
  "sandboxes and simple models of them agree after each of many random steps, and so do all snapshots in the end",
  { timeout: plans * planMs },
  async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: steps, maxLength: steps }), async (plan) => {
        const world = new World(server)
        try {
          for (const next of plan) {
            await world.take(next)
            taken += 1
          }
          await world.end()
        } catch (error) {
          throw new Error(`at step ${taken % steps}; the server said:\n${server.output}`, { cause: error })
        }
      }),
      // A failing plan is shown whole: making it shorter would take as long as hundreds of runs.
      { numRuns: plans, endOnFailure: true },
    )
    expect(taken).toBe(plans * steps)
  },
)
