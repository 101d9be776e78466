import { failpoint } from "#failpoint"
import { newLayerId, type Image } from "@opensandbox/vm"
import { guestIdentity, type SandboxMeans } from "./means.js"
import { requireSpace } from "../storage/space.js"
import { restAfterStart } from "./rest.js"
import { Sandbox } from "./sandbox.js"
import { networkOf } from "./network.js"
import type { CreateRequest } from "./sandbox-service.js"
import type { NewSandbox } from "./sandbox-store.js"
import { asFailure } from "../storage/storage-failure.js"

/** A sandbox that has no machine yet and whose head has still to be made. */
export function unborn(
  ownerId: number,
  name: string,
  imageKey: string,
  { retention = {}, network = "none" }: Pick<CreateRequest, "retention" | "network"> = {},
): NewSandbox {
  return {
    ownerId,
    name,
    imageKey,
    machineId: null,
    head: newLayerId(),
    createdAt: Date.now(),
    retention: JSON.stringify(retention),
    network: JSON.stringify(network),
  }
}

/**
 * Makes a sandbox with a machine on an empty disk, and records it last: until then there is no sandbox, only files to
 * sweep up.
 *
 * @throws Failure `unavailable`, `disk_full`.
 */
export async function makeSandbox(sandbox: NewSandbox, image: Image, means: SandboxMeans): Promise<Sandbox> {
  const { store, room, dataDirectory, log } = means
  const { name, head, createdAt } = sandbox
  try {
    await requireSpace(dataDirectory)
    await room.disk.create(head, null, image)
    failpoint("create.head-made")
    const identity = guestIdentity({ name, created_at: createdAt })
    const machine = await room.start(room.newMachineId(), image, [head], identity, networkOf(sandbox))
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
