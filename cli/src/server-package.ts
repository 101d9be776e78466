import type { RunningServer, ServerConfig } from "@opensandbox/server"
import type { ErrorCode } from "opensandbox"
import type { RouteAnswer } from "opensandbox/contract"

/** What the commands use of `@opensandbox/server`. */
export interface ServerPackage {
  startServer(config: ServerConfig): Promise<RunningServer>
  openKeyring(dataDirectory: string): Promise<Keyring>
}

/** The keys of a data directory, whether or not its server runs. Its methods reject with a {@link KeyringFailure}. */
export interface Keyring {
  create(request: { name: string; role: "admin" | "user" }): Promise<RouteAnswer<"createKey">>
  list(): Promise<RouteAnswer<"listKeys">["keys"]>
  revoke(id: number): Promise<void>
  addSshKey(request: { keyId: number; publicKey: string }): Promise<{ id: number; fingerprint: string }>
  close(): Promise<void>
}

export type KeyringFailure = Error & { code: ErrorCode }
