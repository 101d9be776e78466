import type { ServerConfig } from "./config.js"
import { Failure } from "./failure.js"
import { createApp } from "./http/app.js"
import { HttpServer, type HttpService } from "./http/http-server.js"
import { InFlight } from "./http/in-flight.js"
import { apiUpgrade } from "./http/upgrade.js"
import { Keyring } from "./keys/keyring.js"
import { createLog } from "./log.js"
import { Metrics } from "./metrics.js"
import { SandboxPorts } from "./ports/sandbox-ports.js"
import { linkKey } from "./proxy/link-key.js"
import { PortAccess } from "./proxy/port-access.js"
import { PortProxy } from "./proxy/port-proxy.js"
import { SignedLinks } from "./proxy/signed-links.js"
import { openSandboxes, type OpenSandboxes } from "./sandboxes/open-sandboxes.js"
import { hostKey } from "./ssh/host-key.js"
import { databasePath, makeDataDirectory } from "./store/data-directory.js"
import { DataDirectoryLock } from "./store/data-directory-lock.js"
import { openDatabase } from "./store/database.js"
import { KeyStore } from "./store/key-store.js"
import { PortStore } from "./store/port-store.js"
import { Teardown } from "./teardown.js"
import { Terminals } from "./terminals/terminals.js"

/** How long requests under way may go on once the server stops, in milliseconds. */
const patienceMs = 3_000

/** A server that answers. */
export interface RunningServer {
  /** Where it listens, as in `http://127.0.0.1:4000`. */
  url: string
  /** The admin key, when this start made one. It is shown nowhere else. */
  adminKey?: string
  /** What runs the guests' instructions; `tcg` isolates less and is for development. */
  accelerator: OpenSandboxes["accelerator"]
  /** Answers what is under way, `unavailable` if it takes too long, and frees everything. */
  close(): Promise<void>
}

/** Starts the server; fulfilled when it answers. @throws when another server has the data directory or the address. */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const teardown = new Teardown()
  try {
    return await start(config, teardown)
  } catch (error) {
    // What went wrong first is what the caller needs to hear.
    await teardown.run().catch(() => undefined)
    throw error
  }
}

async function start(config: ServerConfig, teardown: Teardown): Promise<RunningServer> {
  const log = createLog(config.logLevel ?? "info")
  const now = Date.now
  await makeDataDirectory(config.dataDirectory)
  const lock = DataDirectoryLock.acquire(config.dataDirectory)
  teardown.add(() => {
    lock.release()
  })
  const database = await openDatabase(databasePath(config.dataDirectory), config.durability)
  teardown.add(() => database.destroy())

  const keyring = new Keyring(new KeyStore(database), now)
  await keyring.adoptEnvironmentKey(config.apiKey ?? "")

  // Sandboxes open their ports as they come up, so requests may arrive before all of them are there.
  let sandboxes: OpenSandboxes | undefined = undefined
  const service = () => {
    if (sandboxes === undefined)
      throw new Failure("unavailable", "The server is starting; try again in a moment.")
    return sandboxes.service
  }
  const inFlight = new InFlight()
  const metrics = new Metrics()
  metrics.includeProcess()
  const links = new SignedLinks(await linkKey(config.dataDirectory), now)
  const portAccess = new PortAccess({ service, keyring, store: new PortStore(database), links })
  const { allowedOrigins } = config
  const terminals = new Terminals({ service, keyring, log, now })
  const app = createApp({
    service,
    keyring,
    metrics,
    portAccess,
    terminals,
    inFlight,
    log,
    now,
    allowedOrigins,
  })
  const key = await hostKey(config.dataDirectory)
  const api = (onlySandbox?: string): HttpService => ({
    fetch: (request) => app.fetch(request, onlySandbox === undefined ? {} : { onlySandbox }),
    upgrade: apiUpgrade({ terminals, log }, onlySandbox),
  })
  const ports = new SandboxPorts(api, { hostKey: key, keyring, service, log })
  teardown.add(() => ports.closeAll())
  const opened = await openSandboxes({ database, ports, config, metrics, log })
  teardown.add(() => opened.close())
  sandboxes = opened

  const proxy = new PortProxy({ access: portAccess, service, domain: config.domain, log })
  const http = await HttpServer.listen({ ...api(), proxy }, config)
  teardown.add(() => Promise.all([http.close(), ports.closeAll(), inFlight.stop(patienceMs)]))
  // Not before all else went well: a key that nobody was shown would be of no use.
  const adminKey = await keyring.ensureAdminKey()
  return {
    url: urlOf(config.host, http.port),
    ...(adminKey && { adminKey: adminKey.key }),
    accelerator: opened.accelerator,
    close: () => teardown.run(),
  }
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`
}
