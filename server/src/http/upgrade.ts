import type { Logger } from "pino"
import { Failure } from "../failure.js"
import type { Terminals } from "../terminals/terminals.js"
import type { Upgrade } from "./http-server.js"
import { refuseUpgrade } from "./refuse-upgrade.js"

interface UpgradeParts {
  terminals: Terminals
  log: Logger
}

/**
 * What the API can be upgraded to: a terminal's WebSocket.
 *
 * @param onlySandbox Set where only this sandbox may be spoken to.
 */
export function apiUpgrade({ terminals, log }: UpgradeParts, onlySandbox?: string): Upgrade {
  return (request, socket, head) => {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2)
    const name = /^\/vms\/([a-z0-9-]{1,63})\/terminal$/.exec(path)?.[1]
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket"
    if (name === undefined || !isWebSocket || (onlySandbox !== undefined && name !== onlySandbox)) {
      refuseUpgrade(socket, nothingToUpgrade(path), log)
      return
    }
    const ticket = new URLSearchParams(query).get("ticket") ?? ""
    void terminals.upgrade(name, ticket, request, socket, head)
  }
}

function nothingToUpgrade(path: string): Failure {
  return new Failure(
    "invalid_request",
    `The connection cannot be upgraded at ${path}. Send the request without the header Upgrade.`,
    { field: "upgrade" },
  )
}
