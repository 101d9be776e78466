import type { Client, ClientOptions } from "opensandbox"
import type { HostProbe } from "./doctor/host-probe.js"
import type { LocalTerminal } from "./local-terminal.js"
import type { ServerPackage } from "./server-package.js"

/** The world outside, as the commands see it. */
export interface Context {
  /** What the user asked for: the only thing that programs read. */
  stdout: (text: string) => void
  /**
   * The same for bytes. Fulfilled when the reader has room for more, so that nothing piles up in between; rejects when
   * they cannot be written, with the code EPIPE when the reader has gone.
   */
  stdoutBytes: (chunk: Uint8Array) => Promise<void>
  /** What the user should know besides. */
  stderr: (text: string) => void
  /** The same for bytes, written as `stdoutBytes` does. */
  stderrBytes: (chunk: Uint8Array) => Promise<void>
  /** The bytes of the standard input. */
  stdin: () => ReadableStream<Uint8Array>
  /** Which of the standard streams a person sits at. */
  isTerminal: { stdin: boolean; stdout: boolean; stderr: boolean }
  /** The terminal that a person sits at, if one does. */
  terminal: LocalTerminal
  /** A client of the server that the environment names. */
  connect: (options?: ClientOptions) => Client
  /** Loaded only by the commands that need it, since it brings native modules with it. */
  loadServer: () => Promise<ServerPackage>
  probeHost: HostProbe
  /** Milliseconds since some point in the past; never goes back. */
  now: () => number
  /** Calls back at each SIGINT and SIGTERM. */
  onStopSignal: (listener: () => void) => void
  /** Ends the process at once. */
  exitNow: (code: number) => void
  /** Sets what the process exits with once the command is done; 0 when it is never called. */
  exitWith: (code: number) => void
}
