import { join } from "node:path"
import { failpoint } from "#failpoint"
import { newLayerId, withDisk, writePortableDisk } from "@opensandbox/vm"
import { snapshotLabel } from "opensandbox/contract"
import { exportArchive } from "../archive/export-archive.js"
import { importArchive, type ImportedSandbox } from "../archive/import-archive.js"
import type { ExportedSandbox } from "../archive/manifest.js"
import type { SandboxRow, SnapshotRow } from "../store/tables.js"
import type { SandboxMeans } from "./means.js"
import { requireSpace } from "../storage/space.js"
import { networkOf, requireUsable } from "./network.js"
import { unborn } from "./new-sandbox.js"
import type { Sandbox } from "./sandbox.js"
import { fittingSize } from "./size.js"
import type { ExportRequest } from "./sandbox-service.js"
import type { NewSnapshot } from "./sandbox-store.js"
import { asFailure } from "../storage/storage-failure.js"

/**
 * Makes an archive of a snapshot, or of what a sandbox is now. The sandbox goes on meanwhile.
 *
 * @throws Failure `not_found`, `unavailable`, `disk_full`, `damaged`.
 */
export async function exportSandbox(
  { row, history }: Sandbox,
  { snapshot: name, image: includeImage }: ExportRequest,
  means: SandboxMeans,
): Promise<ReadableStream<Uint8Array>> {
  const { store, health, room, images, scratch, dataDirectory, log } = means
  const image = await images.get(row.image_key)
  const snapshot = name === undefined ? undefined : await store.snapshot(row.id, name)
  const directory = await scratch.make()
  try {
    const disk = join(directory.path, "disk.qcow2")
    await history.lookAt(name, async ({ layer, chain }) => {
      await requireSpace(dataDirectory, await store.sealedBytes(row.id))
      await health.requireSound(chain)
      await writePortableDisk(layer === null ? image.blankDisk : room.disk.path(layer), image, disk)
    })
    const described = { sandbox: describeSandbox(row), snapshot: describeSnapshot(snapshot) }
    const release = () => directory.remove()
    return await exportArchive({ ...described, image, includeImage, disk, release }, { shelf: images, log })
  } catch (error) {
    await directory.remove()
    log.error({ sandbox: row.name, err: error }, "the sandbox could not be exported")
    throw asFailure(error)
  }
}

/**
 * Makes a sandbox of an archive. It has no machine until it is used.
 *
 * @param maxDiskBytes The largest blank disk of an image that is taken in.
 * @throws Failure `invalid_request` with what is wrong with the archive, `disk_full`, `timeout`, `unavailable`.
 */
export async function importSandbox(
  owner: number,
  name: string,
  archive: ReadableStream<Uint8Array>,
  maxDiskBytes: number,
  means: SandboxMeans,
): Promise<SandboxRow> {
  const { room, images, scratch, dataDirectory, log } = means
  await requireSpace(dataDirectory)
  const nameOfBlankDisk = room.disk.nameFor.bind(room.disk, null)
  const imported = await importArchive(archive, {
    shelf: images,
    scratch,
    maxDiskBytes,
    nameOfBlankDisk,
    log,
  })
  failpoint("import.received")
  try {
    return await settle(owner, name, imported, means)
  } catch (error) {
    log.error({ sandbox: name, err: error }, "the sandbox could not be imported")
    throw asFailure(error)
  } finally {
    await imported.dispose()
  }
}

async function settle(
  owner: number,
  name: string,
  { image, disk, manifest }: ImportedSandbox,
  { store, room, compactor }: SandboxMeans,
): Promise<SandboxRow> {
  const layer = newLayerId()
  const { network, size, snapshots } = manifest.sandbox
  if (network !== undefined) requireUsable(network)
  const asked = { cpus: size?.cpus, memoryMiB: size?.memory_mb, diskBytes: size?.disk_bytes }
  const sandbox = unborn(owner, name, image.key, { network, snapshots, size: fittingSize(asked, room) })
  try {
    await room.disk.takeIn(disk, layer)
    failpoint("import.disk-placed")
    const { diskBytes } = sandbox.size
    await room.disk.create(sandbox.head, layer, diskBytes === null ? image : withDisk(image, diskBytes))
    failpoint("import.head-made")
    const bytes = (await room.disk.facts(layer))?.bytes ?? 0
    const snapshot = snapshotOf(manifest.snapshot, sandbox.createdAt)
    const row = await store.create(sandbox, { layer, bytes, snapshot })
    failpoint("import.recorded")
    compactor.consider([layer])
    return row
  } catch (error) {
    for (const file of [layer, sandbox.head]) await room.disk.remove(file)
    throw error
  }
}

/** The snapshot that an imported sandbox begins with: what it was, under a name of this server. */
function snapshotOf(exported: ExportedSandbox["snapshot"], createdAt: number): NewSnapshot {
  const label = snapshotLabel.safeParse(exported.label)
  return {
    name: `import_${createdAt}`,
    command: exported.command,
    exitCode: exported.exit_code,
    durationMs: exported.duration_ms === null ? null : Math.round(exported.duration_ms),
    createdAt,
    // An archive may come from elsewhere, and say what no caller here could.
    ...(label.success && { label: label.data }),
  }
}

function describeSandbox(row: SandboxRow): ExportedSandbox["sandbox"] {
  return {
    name: row.name,
    created_at: new Date(row.created_at).toISOString(),
    network: networkOf(row),
    snapshots: row.snapshot_kind,
    size: { cpus: row.cpus, memory_mb: row.memory_mb, disk_bytes: row.disk_bytes },
  }
}

/** @param snapshot Left out for what the sandbox is now. */
function describeSnapshot(snapshot?: SnapshotRow): ExportedSandbox["snapshot"] {
  const createdAt = snapshot?.created_at ?? Date.now()
  return {
    name: snapshot?.name ?? `snap_${createdAt}`,
    kind: snapshot?.memory_id == null ? "disk" : "machine",
    label: snapshot?.label ?? null,
    command: snapshot?.command ?? null,
    exit_code: snapshot?.exit_code ?? null,
    duration_ms: snapshot?.duration_ms ?? null,
    created_at: new Date(createdAt).toISOString(),
  }
}
