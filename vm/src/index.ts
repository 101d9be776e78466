export type { Accelerator } from "./accelerator/accelerator.js"
export {
  AgentError,
  AgentGoneError,
  type ExecResult,
  type Execution,
  type OutputHandler,
} from "./agent/connection.js"
export { DeadlineError, poll, within } from "./deadline.js"
export { newLayerId, type LayerId } from "./disk/layer.js"
export type { LayerDirectory } from "./disk/layer-directory.js"
export type { Image } from "./image.js"
export { ImageShelf } from "./image-shelf.js"
export { blankNode } from "./machine/command-line.js"
export type { Machine, MachineId } from "./machine/machine.js"
export { MachineRoom } from "./machine-room.js"
export { MachineStartError, type GuestIdentity } from "./machine/start.js"
export { QmpError } from "./qmp/client.js"
