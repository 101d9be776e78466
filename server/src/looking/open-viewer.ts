import { MemoryShortageError, newLayerId, type Viewer } from "@opensandbox/vm"
import type { SealedDisk } from "../layers/layer-files.js"
import type { SandboxMeans } from "../sandboxes/means.js"
import { imageOf } from "../sandboxes/size.js"
import { requireSpace } from "../storage/space.js"
import { asFailure } from "../storage/storage-failure.js"

/**
 * Opens a viewer of a disk, on a layer of its own that takes what its kernel writes, such as the journal's replay. The
 * database knows neither that layer nor the machine: after a sudden end of the server its next start removes both.
 *
 * @param disk Its files must stay until this is fulfilled.
 * @throws Failure `damaged`, `disk_full`, `unavailable` when there is no memory for it; Error when the machine does not start.
 */
export async function openViewer(disk: SealedDisk, means: SandboxMeans): Promise<Viewer> {
  const { room, images, health, dataDirectory } = means
  await requireSpace(dataDirectory)
  await health.requireSound(disk.chain)
  const image = await imageOf({ image_key: disk.imageKey, disk_bytes: disk.diskBytes }, images)
  const scratch = newLayerId()
  const removeScratch = () => room.disk.remove(scratch)
  try {
    await room.disk.create(scratch, disk.layer, image)
    const layers = disk.chain.map((layer) => layer.id)
    const viewer = await room.view(room.newMachineId(), image, layers, scratch)
    return {
      closed: viewer.closed,
      changes: (limit) => viewer.changes(limit),
      read: (path, limit) => viewer.read(path, limit),
      digest: (paths) => viewer.digest(paths),
      close: () => viewer.close().finally(removeScratch),
    }
  } catch (error) {
    await removeScratch()
    // To try again at once would be of no use.
    throw error instanceof MemoryShortageError ? asFailure(error) : error
  }
}
