import { z } from "zod"
import { networkPolicy } from "./network.js"
import { retentionRequest } from "./retention.js"
import { createdAt, number, requestBody, sandboxName, snapshotReference } from "./rules.js"

const namesRule = '"names" must be a list of 1 to 100 different names'

const port = z.int().min(1).max(65_535)

export const vmParams = z.object({ name: sandboxName })

export const createRequest = requestBody({
  name: sandboxName,
  retention: retentionRequest
    .optional()
    .describe("How long its snapshots are kept and how much disk it may take."),
  network: networkPolicy.optional().describe("What its guest may reach; `none` when left out."),
  reuse: z
    .boolean({ error: '"reuse" must be true or false' })
    .default(false)
    .describe("Whether a sandbox of the key that has the name already is as good; it stays as it is."),
}).describe("The sandbox to create.")

const forkedSnapshot = snapshotReference("snapshot")
  .optional()
  .describe("The snapshot to begin from, by its name or label; the present when left out.")

export const forkRequest = requestBody({ name: sandboxName, snapshot: forkedSnapshot }).describe(
  "The sandbox to make as a copy of another one.",
)

export const forksRequest = requestBody({
  names: z
    .array(sandboxName, { error: namesRule })
    .min(1, { error: namesRule })
    .max(100, { error: namesRule })
    .refine((names) => new Set(names).size === names.length, { error: namesRule })
    .describe("The names of the new sandboxes, 1 to 100, all different."),
  snapshot: forkedSnapshot,
}).describe("The sandboxes to make as copies of another one.")

export const vmInfo = z
  .object({
    id: number.describe("The sandbox's number, unique on this server."),
    name: sandboxName,
    status: z
      .enum(["running", "stopped", "restoring", "failed"])
      .describe(
        "`running`: its machine runs. `stopped`: no machine runs; the next use starts it. `restoring`: it is going " +
          "back to a snapshot. `failed`: its machine cannot be started; a restore may mend it.",
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
    created_at: createdAt,
  })
  .describe("A sandbox and the state of its virtual machine.")

export const vmList = z
  .object({ vms: z.array(vmInfo).describe("The sandboxes, by creation time.") })
  .describe("Sandboxes.")
