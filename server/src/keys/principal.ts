import type { KeyRole, KeyRow } from "../store/tables.js"

/** On whose behalf a request acts. */
export interface Principal {
  /** Whose sandboxes it sees. All admin keys are one owner, so that a new admin key still finds its sandboxes. */
  ownerId: number
  role: KeyRole
  keyId: number
}

export function principalOf(key: KeyRow): Principal {
  return { ownerId: key.role === "admin" ? adminOwnerId : key.id, role: key.role, keyId: key.id }
}

const adminOwnerId = 0
