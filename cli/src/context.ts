import type { Client } from "opensandbox"
import type { HostProbe } from "./doctor/host-probe.js"
import type { ServerPackage } from "./server-package.js"

/** The world outside, as the commands see it. */
export interface Context {
  /** What the user asked for: the only thing that programs read. */
  stdout: (text: string) => void
  /** What the user should know besides. */
  stderr: (text: string) => void
  /** Everything on the standard input. */
  readStdin: () => Promise<string>
  /** A client of the server that the environment names. */
  connect: () => Client
  /** Loaded only by the commands that need it, since it brings native modules with it. */
  loadServer: () => Promise<ServerPackage>
  probeHost: HostProbe
  /** Calls back at each SIGINT and SIGTERM. */
  onStopSignal: (listener: () => void) => void
  /** Ends the process at once. */
  exitNow: (code: number) => void
  /** Sets what the process exits with once the command is done; 0 when it is never called. */
  exitWith: (code: number) => void
}
