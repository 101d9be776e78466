import type { Generated, Selectable } from "kysely"

/** The tables of `opensandbox.db`. All times are Unix milliseconds. */
export interface Tables {
  keys: KeysTable
  ssh_keys: SshKeysTable
  sandboxes: SandboxesTable
  layers: LayersTable
  memories: MemoriesTable
  snapshots: SnapshotsTable
  public_ports: PublicPortsTable
}

/** What a key may do: an `admin` key may also manage keys, and all admin keys own the same sandboxes. */
export type KeyRole = "admin" | "user"

interface KeysTable {
  id: Generated<number>
  name: string
  role: KeyRole
  /** SHA-256 of the whole key; the key itself is stored nowhere. */
  hash: Buffer
  /** The first characters of the key, so that people can tell keys apart. */
  prefix: string
  created_at: number
  revoked_at: number | null
}

export interface SshKeysTable {
  id: Generated<number>
  /** The API key on whose behalf the holder of this SSH key acts. */
  key_id: number
  /** `SHA256:…` as `ssh-keygen -l` prints it. */
  fingerprint: string
  /** One line in OpenSSH's format, without the comment. */
  public_key: string
  comment: string
  created_at: number
}

interface SandboxesTable {
  id: Generated<number>
  /** `0` for all admin keys, else the id of the user key. */
  owner_id: number
  name: string
  image_key: string
  machine_id: string | null
  agent_port: number | null
  ssh_port: number | null
  created_at: number
  /** The limits that are its own, as JSON (see `Retention`); `{}` leaves all to the server's defaults. */
  retention: Generated<string>
  /** What it may reach, as JSON (see `NetworkPolicy`). */
  network: Generated<string>
  /** Virtual processors. */
  cpus: Generated<number>
  memory_mb: Generated<number>
  /** `null` for as much as its image's blank disk has. */
  disk_bytes: Generated<number | null>
  /** What the snapshots hold that are taken by themselves, after each command and change of files. */
  snapshot_kind: Generated<SnapshotKind>
  /** The memory with which its machine goes on, while it is paused: of the instant in which its head's parent was sealed. */
  paused_memory_id: Generated<string | null>
  /** Seconds without activity after which it is paused; `0` is never, `null` the server's default. */
  idle_timeout: Generated<number | null>
  /** When it is destroyed; `null` is never. */
  expires_at: Generated<number | null>
  /** What was lost when it was last resumed; `null` when nothing was. */
  degraded: Generated<string | null>
}

/** `disk`: the files; `machine`: memory, processes and devices too. */
export type SnapshotKind = "disk" | "machine"

/** `sealed`: immutable; `head`: written by the machine; `next`: made ahead of time and still empty. */
type LayerState = "sealed" | "head" | "next"

interface LayersTable {
  id: string
  /** The layer beneath; `null` rests on the image's blank disk. Compaction replaces it by one further down. */
  parent_id: string | null
  image_key: string
  /** How many layers up from the blank disk, as if no layer had taken in others. */
  number: number
  state: LayerState
  /** The sandbox whose machine writes to it, or soon will; `null` for a sealed layer, which many may share. */
  sandbox_id: number | null
  /** What the file of a sealed layer takes on the disk. `null` until it was looked at. */
  bytes: number | null
  /** The file's fingerprint (see `Fingerprint`); `null` until it was taken. */
  length: number | null
  modified_us: number | null
  checksum: string | null
  /** What was found to be wrong with the file; `null` for a sound one. */
  damage: string | null
  created_at: number
}

/**
 * `writing`: its file is not finished, and it is in no snapshot yet; `written`: in a snapshot, or once in one that others
 * rest on; `compressed`: the same, and its file is as small as it gets.
 */
type MemoryState = "writing" | "written" | "compressed"

interface MemoriesTable {
  id: string
  /** The memory to which it has the differences; `null` has those to the template. */
  parent_id: string | null
  /** The key of the template. */
  template: string
  /** How many memories lie between the template and it, itself included. */
  depth: number
  state: MemoryState
  /** What its file takes on the disk. */
  bytes: Generated<number>
  /** How many pages are in it. */
  pages: Generated<number>
  /** What was found to be wrong with the file; `null` for a sound one. */
  damage: Generated<string | null>
  created_at: number
}

interface SnapshotsTable {
  id: Generated<number>
  sandbox_id: number
  name: string
  /** A second name, given by the user. */
  label: Generated<string | null>
  /** The topmost layer of the snapshot; `null` is the image's blank disk. */
  layer_id: string | null
  /** The machine's memory and devices at the instant at which the layer was sealed; `null` in one of the disk alone. */
  memory_id: Generated<string | null>
  /** What it added on the disk when it was taken. */
  bytes: Generated<number>
  /** The command after which it was taken; `null` where there was none. */
  command: string | null
  exit_code: number | null
  /** How long the command ran. */
  duration_ms: Generated<number | null>
  created_at: number
}

/** The ports that everybody may reach. */
interface PublicPortsTable {
  sandbox_id: number
  port: number
}

export type SandboxRow = Selectable<SandboxesTable>
export type LayerRow = Selectable<LayersTable>
export type MemoryRow = Selectable<MemoriesTable>
export type SnapshotRow = Selectable<SnapshotsTable>
export type KeyRow = Selectable<KeysTable>
