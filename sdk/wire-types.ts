import type { components } from "./contract/wire.js"

type Schemas = components["schemas"]

/** A sandbox and the state of its virtual machine. */
export type VMInfo = Schemas["VMInfo"]

/** A named point that a sandbox can return to. */
export type Snapshot = Schemas["Snapshot"]

/** What a command printed, and the snapshot taken after it. */
export type RunAnswer = Schemas["RunAnswer"]

/** Why a request failed, as the server says it. */
export type ErrorBody = Schemas["ErrorBody"]
