import { z } from "zod"
import { poll, within } from "../deadline.js"
import type { LayerId } from "../disk/layer.js"
import type { QmpClient } from "../qmp/client.js"

/** What is to be merged, all of it in the chain of a running machine. */
export interface Merge {
  /** The sealed layer that takes in what lies between. What its readers see stays the same. */
  readonly layer: LayerId
  /** The layers that it need not rest on any more, from the oldest to the newest. Their files stay as they are. */
  readonly between: readonly LayerId[]
  /** The node that it rests on afterwards. */
  readonly base: string
  /** The base's file as the layer's file shall name it. */
  readonly baseFile: string
}

const blockJobs = z.array(z.object({ device: z.string() }))

/** Copying is some hundred megabytes a second; what takes longer than this does not get on. */
const mergeMilliseconds = 3_600_000

/** How long a job that was cancelled may go on. */
const cancelMilliseconds = 5_000

/**
 * Shortens a machine's chain while the machine runs. It may break off at any point, by `cancelled` or by the death of
 * everything: until the job is done the layer rests on what it rested on, and what was copied by then is what it would
 * have read from there.
 *
 * @throws Error when it did not get to its end.
 */
export async function mergeLayers(qmp: QmpClient, merge: Merge, cancelled: AbortSignal): Promise<void> {
  cancelled.throwIfAborted()
  const job = `merge-${merge.layer}`
  const { end, forget } = watchJob(qmp, job)
  let overdue: NodeJS.Timeout | undefined
  const cancel = () => {
    // It may just have come to its end, and then there is nothing to cancel.
    qmp.execute("block-job-cancel", { device: job, force: true }).catch(() => undefined)
    overdue = setTimeout(() => {
      end.reject(new Error("the merging of layers could not be cancelled"))
    }, cancelMilliseconds)
  }
  cancelled.addEventListener("abort", cancel)
  try {
    await qmp.execute("block-stream", {
      "job-id": job,
      device: merge.layer,
      "base-node": merge.base,
      "backing-file": merge.baseFile,
    })
    await within(mergeMilliseconds, "the merging of layers", end.promise)
  } finally {
    clearTimeout(overdue)
    cancelled.removeEventListener("abort", cancel)
    forget()
  }
  // Nobody reads them in this machine any more, and each holds a file open. One that another rests on cannot go.
  for (const node of merge.between.toReversed()) await qmp.execute("blockdev-del", { "node-name": node })
}

/** Breaks off the merges that an earlier server began in a machine; nobody waits for their end any more. */
export async function abandonMerges(qmp: QmpClient): Promise<void> {
  await poll(cancelMilliseconds, "the end of an earlier server's merges", async () => {
    const jobs = blockJobs.parse(await qmp.execute("query-block-jobs"))
    for (const { device } of jobs) {
      // It may just have come to its end.
      await qmp.execute("block-job-cancel", { device, force: true }).catch(() => undefined)
    }
    return jobs.length === 0 ? true : undefined
  })
}

interface JobEnd {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Follows a job by the machine's events. */
function watchJob(qmp: QmpClient, job: string): { end: JobEnd; forget: () => void } {
  let resolve!: () => void
  let reject!: (error: Error) => void
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // A job that never began has nobody who waits for its end.
  promise.catch(() => undefined)
  const forget = qmp.onEvent(({ event, data }) => {
    if (data["device"] !== job) return
    if (event === "BLOCK_JOB_CANCELLED") reject(new Error("the merging of layers was cancelled"))
    else if (event === "BLOCK_JOB_COMPLETED" && data["error"] === undefined) resolve()
    else if (event === "BLOCK_JOB_COMPLETED")
      reject(new Error(`layers could not be merged: ${String(data["error"])}`))
  })
  void qmp.closed.then(() => {
    reject(new Error("the machine ended while its layers were merged"))
  })
  return { end: { promise, resolve, reject }, forget }
}
