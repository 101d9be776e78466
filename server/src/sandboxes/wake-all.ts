import PQueue from "p-queue"
import type { SandboxMeans } from "./means.js"
import type { Sandbox } from "./sandbox.js"

/** Machines that are resumed at the same time. */
const wokenAtOnce = 4

/**
 * Has sandboxes that were just made go on with the memory that they begin with: all of them, or they are gone again.
 *
 * @throws Failure of the first that could not.
 */
export async function wakeAll(
  sandboxes: readonly Sandbox[],
  { reserve, log }: Pick<SandboxMeans, "reserve" | "log">,
): Promise<void> {
  const queue = new PQueue({ concurrency: wokenAtOnce })
  const woken = sandboxes.map((sandbox) => queue.add(() => sandbox.history.goOn()))
  const failed = (await Promise.allSettled(woken)).find((each) => each.status === "rejected")
  if (failed === undefined) return
  await reserve.giveWhenFull()
  for (const sandbox of sandboxes) {
    await sandbox.destroy().catch((error: unknown) => {
      // It is there after the next start of the server, without its memory.
      log.error(
        { sandbox: sandbox.row.name, err: error },
        "a fork that was not wanted could not be destroyed",
      )
    })
  }
  throw failed.reason
}
