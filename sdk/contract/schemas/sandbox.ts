import { z } from "zod"
import { lifetimeFields } from "./lifetime.js"
import { networkPolicy } from "./network.js"
import { retentionRequest } from "./retention.js"
import { cpus, diskGb, memoryMb } from "./size.js"
import { createdAt, number, requestBody, sandboxName, snapshotReference } from "./rules.js"

const snapshotsRule = '"snapshots" must be "disk" or "machine"'
const memoryRule = '"memory" must be true or false'
const namesRule = '"names" must be a list of 1 to 100 different names'

/** What the snapshots of a sandbox hold that are taken by themselves. */
const snapshotKind = z
  .enum(["disk", "machine"], { error: snapshotsRule })
  .describe(
    "What the snapshots hold that are taken after each command and change of files: `disk`, the files; `machine`, memory " +
      "and processes too.",
  )

const port = z.int().min(1).max(65_535)

export const vmParams = z.object({ name: sandboxName })

export const createRequest = requestBody({
  name: sandboxName,
  retention: retentionRequest
    .optional()
    .describe("How long its snapshots are kept and how much disk it may take."),
  network: networkPolicy.optional().describe("What its guest may reach; `none` when left out."),
  snapshots: snapshotKind.default("disk"),
  cpus: cpus.optional(),
  memory_mb: memoryMb.optional(),
  disk_gb: diskGb.optional(),
  ...lifetimeFields,
  reuse: z
    .boolean({ error: '"reuse" must be true or false' })
    .default(false)
    .describe("Whether a sandbox of the key that has the name already is as good; it stays as it is."),
}).describe("The sandbox to create.")

const forkedSnapshot = snapshotReference("snapshot")
  .optional()
  .describe("The snapshot to begin from, by its name or label; the present when left out.")

const forkedMemory = z
  .boolean({ error: memoryRule })
  .default(false)
  .describe(
    "Whether memory and processes are copied as well: the new sandboxes run on from the same instant. A snapshot must be " +
      "one of the whole machine then.",
  )

export const forkRequest = requestBody({
  name: sandboxName,
  snapshot: forkedSnapshot,
  memory: forkedMemory,
}).describe("The sandbox to make as a copy of another one.")

export const forksRequest = requestBody({
  names: z
    .array(sandboxName, { error: namesRule })
    .min(1, { error: namesRule })
    .max(100, { error: namesRule })
    .refine((names) => new Set(names).size === names.length, { error: namesRule })
    .describe("The names of the new sandboxes, 1 to 100, all different."),
  snapshot: forkedSnapshot,
  memory: forkedMemory,
}).describe("The sandboxes to make as copies of another one.")

export const vmInfo = z
  .object({
    id: number.describe("The sandbox's number, unique on this server."),
    name: sandboxName,
    status: z
      .enum(["running", "paused", "stopped", "restoring", "failed"])
      .describe(
        "`running`: its machine runs. `paused`: its memory is on the disk, and the next use goes on from there. " +
          "`stopped`: no machine runs; the next use starts one. `restoring`: it is going back to a snapshot. `failed`: its machine cannot be started; a restore may mend it.",
      ),
    agent_port: port.describe(
      "TCP port on the server's loopback address that speaks this API for just this sandbox.",
    ),
    ssh_port: port.describe("TCP port on the server's loopback address that speaks SSH, user `sandbox`."),
    agentHealthy: z.boolean().describe("Whether the agent in the guest answers."),
    accelerator: z
      .enum(["kvm", "tcg"])
      .describe(
        "What runs the guest's instructions: `kvm` is hardware virtualisation; `tcg` is software emulation, " +
          "for development, and gives no isolation guarantee.",
      ),
    network: networkPolicy,
    cpus,
    memory_mb: memoryMb,
    disk_gb: z.number().positive().describe("Size of the disk in GiB, as the guest sees it."),
    snapshots: snapshotKind,
    idle_timeout: z
      .int()
      .nullable()
      .describe("Seconds without activity after which it is paused; null for never."),
    expires_at: z.iso
      .datetime()
      .nullable()
      .describe("When it is destroyed with all its snapshots, ISO 8601 in UTC; null for never."),
    degraded: z
      .string()
      .nullable()
      .describe(
        "What was lost when it was last resumed, for people: its memory was damaged, so it started from its disk. Null " +
          "when nothing was, and again once it is paused or restored.",
      ),
    created_at: createdAt,
  })
  .describe("A sandbox and the state of its virtual machine.")

export const vmList = z
  .object({ vms: z.array(vmInfo).describe("The sandboxes, by creation time.") })
  .describe("Sandboxes.")
