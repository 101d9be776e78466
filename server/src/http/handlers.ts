import { openApiDocument } from "opensandbox/contract"
import type { Clock } from "../clock.js"
import type { Keyring } from "../keys/keyring.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import type { Handlers } from "./call.js"

/** What each route does, once the caller is known and the request is valid. */
export function createHandlers(service: () => SandboxService, keyring: Keyring, now: Clock): Handlers {
  const openApi = { ...openApiDocument() }

  return {
    getHealth: () => ({ status: "ok", timestamp: new Date(now()).toISOString() }),
    getOpenApi: () => openApi,

    createVm: ({ principal, body }) => service().create(principal.ownerId, body.name),
    listVms: async ({ principal }) => ({ vms: await service().list(principal.ownerId) }),
    getVm: ({ principal, params }) => service().info(principal.ownerId, params.name),
    destroyVm: async ({ principal, params }) => {
      await service().destroy(principal.ownerId, params.name)
      return { message: `Sandbox "${params.name}" and its snapshots are destroyed` }
    },
    runCommand: async ({ principal, params, body, reportTimings }) => {
      const request = { command: body.command, timeoutSeconds: body.timeout }
      const { answer, timings } = await service().run(principal.ownerId, params.name, request)
      reportTimings({ guest: timings.guestMs, sync: timings.syncMs, snapshot: timings.snapshotMs })
      return answer
    },
    wipeVm: async ({ principal, params }) => {
      await service().wipe(principal.ownerId, params.name)
      return { message: `The workspace of sandbox "${params.name}" is empty` }
    },
    listVmSnapshots: async ({ principal, params }) => ({
      snapshots: await service().snapshots(principal.ownerId, params.name),
    }),
    listSnapshots: async ({ principal }) => ({ snapshots: await service().allSnapshots(principal.ownerId) }),
    restoreSnapshot: async ({ principal, params }) => {
      await service().restore(principal.ownerId, params.name, params.snapshot)
      return { message: `Sandbox "${params.name}" is back at snapshot "${params.snapshot}"` }
    },

    createKey: ({ body }) => keyring.create({ name: body.name, role: "user" }),
    listKeys: async () => ({ keys: await keyring.list() }),
    revokeKey: async ({ params }) => {
      await keyring.revoke(params.id)
      return { message: `Key ${params.id} is revoked` }
    },
  }
}
