import type { Migration } from "kysely"
import { up as sandboxesAndKeys } from "./0001-sandboxes-and-keys.js"
import { up as sharedLayers } from "./0002-shared-layers.js"
import { up as publicPorts } from "./0003-public-ports.js"
import { up as networks } from "./0004-networks.js"

/** Every step from an empty database to the present schema, by name and in order. A released step never changes. */
export const migrations: Record<string, Migration> = {
  "0001-sandboxes-and-keys": { up: sandboxesAndKeys },
  "0002-shared-layers": { up: sharedLayers },
  "0003-public-ports": { up: publicPorts },
  "0004-networks": { up: networks },
}
