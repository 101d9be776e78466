import { failpoint } from "#failpoint"
import { newLayerId } from "@opensandbox/vm"
import { recordOf } from "../lifetime/lifetime.js"
import { guestIdentity, type SandboxMeans } from "./means.js"
import { requireSpace } from "../storage/space.js"
import { restAfterStart } from "./rest.js"
import { Sandbox } from "./sandbox.js"
import { networkOf } from "./network.js"
import { defaultSize, imageOf, type SandboxSize } from "./size.js"
import type { CreateRequest } from "./sandbox-service.js"
import type { NewSandbox } from "./sandbox-store.js"
import { asFailure } from "../storage/storage-failure.js"

/** What its owner chose for a sandbox; what is left out is as the server has it. */
export interface SandboxSettings extends Partial<Omit<CreateRequest, "name" | "reuse" | "snapshots">> {
  snapshots?: CreateRequest["snapshots"] | undefined
  size?: SandboxSize
}

/** A sandbox that has no machine yet and whose head has still to be made. */
export function unborn(
  ownerId: number,
  name: string,
  imageKey: string,
  {
    retention = {},
    network = "none",
    snapshots = "disk",
    size = defaultSize,
    idle_timeout,
    ttl,
  }: SandboxSettings = {},
): NewSandbox {
  const createdAt = Date.now()
  return {
    ownerId,
    name,
    imageKey,
    machineId: null,
    head: newLayerId(),
    createdAt,
    retention: JSON.stringify(retention),
    network: JSON.stringify(network),
    size,
    snapshotKind: snapshots,
    lifetime: recordOf({ idle_timeout, ttl }, createdAt),
  }
}

/**
 * Makes a sandbox with a machine on an empty disk, and records it last: until then there is no sandbox, only files to
 * sweep up.
 *
 * @throws Failure `unavailable`, `disk_full`.
 */
export async function makeSandbox(sandbox: NewSandbox, means: SandboxMeans): Promise<Sandbox> {
  const { store, room, images, dataDirectory, log } = means
  const { name, head, createdAt } = sandbox
  try {
    await requireSpace(dataDirectory)
    const image = await imageOf({ image_key: sandbox.imageKey, disk_bytes: sandbox.size.diskBytes }, images)
    await room.disk.create(head, null, image)
    failpoint("create.head-made")
    const identity = guestIdentity({ name, created_at: createdAt })
    const network = networkOf(sandbox)
    const machine = await room.start(room.newMachineId(), image, [head], {
      identity,
      network,
      size: sandbox.size,
    })
    failpoint("create.machine-started")
    try {
      const rest = await restAfterStart(machine, null)
      // Nothing may fail after this: what follows a failure removes the sandbox's files.
      const row = await store.create({ ...sandbox, machineId: machine.id })
      failpoint("create.recorded")
      return new Sandbox(row, means, createdAt, machine, rest)
    } catch (error) {
      await machine.kill()
      throw error
    }
  } catch (error) {
    await room.disk.remove(head)
    log.error({ sandbox: name, err: error }, "the sandbox could not be created")
    throw asFailure(error)
  }
}
