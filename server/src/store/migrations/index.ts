import type { Migration } from "kysely"
import { up as sandboxesAndKeys } from "./0001-sandboxes-and-keys.js"
import { up as sharedLayers } from "./0002-shared-layers.js"
import { up as publicPorts } from "./0003-public-ports.js"
import { up as networks } from "./0004-networks.js"
import { up as memories } from "./0005-memories.js"
import { up as lifetimes } from "./0006-lifetimes.js"
import { up as sizes } from "./0007-sizes.js"
import { up as pauses } from "./0008-pauses.js"

/** Every step from an empty database to the present schema, by name and in order. A released step never changes. */
export const migrations: Record<string, Migration> = {
  "0001-sandboxes-and-keys": { up: sandboxesAndKeys },
  "0002-shared-layers": { up: sharedLayers },
  "0003-public-ports": { up: publicPorts },
  "0004-networks": { up: networks },
  "0005-memories": { up: memories },
  "0006-lifetimes": { up: lifetimes },
  "0007-sizes": { up: sizes },
  "0008-pauses": { up: pauses },
}
