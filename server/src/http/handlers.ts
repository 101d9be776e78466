import { openApiDocument } from "opensandbox/contract"
import type { Clock } from "../clock.js"
import type { Keyring } from "../keys/keyring.js"
import type { Metrics } from "../metrics.js"
import type { PortAccess } from "../proxy/port-access.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import { processHandlers } from "../processes/process-handlers.js"
import type { Terminals } from "../terminals/terminals.js"
import type { Handlers } from "./call.js"
import { directoryHandlers } from "./directory-handlers.js"
import { fileHandlers } from "./file-handlers.js"
import { lifetimeHandlers } from "./lifetime-handlers.js"
import { runCommand } from "./run-command.js"

/** What the routes work with. */
export interface HandlerParts {
  service: () => SandboxService
  keyring: Keyring
  metrics: Pick<Metrics, "text">
  portAccess: PortAccess
  terminals: Pick<Terminals, "admit">
  now: Clock
}

/** What each route does, once the caller is known and the request is valid. */
export function createHandlers({
  service,
  keyring,
  metrics,
  portAccess,
  terminals,
  now,
}: HandlerParts): Handlers {
  const openApi = { ...openApiDocument() }

  return {
    getHealth: () => ({ status: "ok", timestamp: new Date(now()).toISOString() }),
    getOpenApi: () => openApi,

    getMetrics: () => metrics.text(),

    createVm: async ({ principal, body, answer200 }) => {
      const { vm, reused } = await service().create(principal.ownerId, body)
      if (reused) answer200()
      return vm
    },
    listVms: async ({ principal }) => ({ vms: await service().list(principal.ownerId) }),
    getVm: ({ principal, params }) => service().info(principal.ownerId, params.name),
    destroyVm: async ({ principal, params }) => {
      await service().destroy(principal.ownerId, params.name)
      return { message: `Sandbox "${params.name}" and its snapshots are destroyed` }
    },
    runCommand: (call) => runCommand(service(), call),
    openTerminal: ({ principal, params, body }) => terminals.admit(principal, params.name, body),
    wipeVm: async ({ principal, params }) => {
      await service().wipe(principal.ownerId, params.name)
      return { message: `The workspace of sandbox "${params.name}" is empty` }
    },
    listVmSnapshots: async ({ principal, params }) => ({
      snapshots: await service().snapshots(principal.ownerId, params.name),
    }),
    listSnapshots: async ({ principal }) => ({ snapshots: await service().allSnapshots(principal.ownerId) }),
    takeSnapshot: ({ principal, params, body }) =>
      service().takeSnapshot(principal.ownerId, params.name, body),
    deleteSnapshot: async ({ principal, params }) => {
      await service().deleteSnapshot(principal.ownerId, params.name, params.snapshot)
      return { message: `Snapshot "${params.snapshot}" of sandbox "${params.name}" is deleted` }
    },
    restoreSnapshot: async ({ principal, params, body }) => {
      const restored = await service().restore(principal.ownerId, params.name, params.snapshot, body)
      return { message: backAt(params.name, params.snapshot), ...restored }
    },
    undo: async ({ principal, params }) => {
      const undone = await service().undo(principal.ownerId, params.name)
      return { message: backAt(params.name, undone.snapshot), ...undone }
    },
    readSnapshotFile: ({ principal, params, query }) =>
      service().readAt(principal.ownerId, params.name, params.snapshot, query.path),
    ...fileHandlers(service),
    ...directoryHandlers(service),
    diff: ({ principal, params, query }) => service().diff(principal.ownerId, params.name, query),

    forkVm: async ({ principal, params, body: { name, ...from } }) => {
      const [vm] = await service().fork(principal.ownerId, params.name, { names: [name], ...from })
      if (vm === undefined) throw new Error("a fork answered with no sandbox")
      return vm
    },
    forkVms: async ({ principal, params, body }) => ({
      vms: await service().fork(principal.ownerId, params.name, body),
    }),
    getRetention: ({ principal, params }) => service().retention(principal.ownerId, params.name),
    setRetention: ({ principal, params, body }) =>
      service().setRetention(principal.ownerId, params.name, body),
    exportVm: ({ principal, params, query }) => service().export(principal.ownerId, params.name, query),
    importVm: ({ principal, params, body }) => service().import(principal.ownerId, params.name, body),

    listPorts: async ({ principal, params }) => ({
      ports: await portAccess.list(principal.ownerId, params.name),
    }),
    setPort: ({ principal, params, body }) =>
      portAccess.setPublic(principal.ownerId, params.name, params.port, body.public),
    createPortLink: ({ principal, params, body }) =>
      portAccess.link(principal.ownerId, params.name, params.port, body.expires),
    waitForPort: async ({ principal, params, body, signal }) => {
      await service().waitForPort(principal.ownerId, params.name, params.port, body.timeout, signal)
      return { message: `Something in sandbox "${params.name}" listens on port ${params.port}` }
    },
    ...processHandlers(service),
    ...lifetimeHandlers(service),

    createKey: ({ body }) => keyring.create({ name: body.name, role: "user" }),
    listKeys: async () => ({ keys: await keyring.list() }),
    revokeKey: async ({ params }) => {
      await keyring.revoke(params.id)
      return { message: `Key ${params.id} is revoked` }
    },
  }
}

const backAt = (name: string, snapshot: string) => `Sandbox "${name}" is back at snapshot "${snapshot}"`
