import type { Generated, Selectable } from "kysely"

/** The tables of `opensandbox.db`. All times are Unix milliseconds. */
export interface Tables {
  keys: KeysTable
  ssh_keys: SshKeysTable
  sandboxes: SandboxesTable
  layers: LayersTable
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
}

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

interface SnapshotsTable {
  id: Generated<number>
  sandbox_id: number
  name: string
  /** A second name, given by the user. */
  label: Generated<string | null>
  /** The topmost layer of the snapshot; `null` is the image's blank disk. */
  layer_id: string | null
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
export type SnapshotRow = Selectable<SnapshotsTable>
export type KeyRow = Selectable<KeysTable>
