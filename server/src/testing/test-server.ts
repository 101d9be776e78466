import { pino } from "pino"
import { createApp, type App } from "../http/app.js"
import { InFlight } from "../http/in-flight.js"
import { Keyring } from "../keys/keyring.js"
import { Metrics } from "../metrics.js"
import { PortAccess } from "../proxy/port-access.js"
import { SignedLinks } from "../proxy/signed-links.js"
import { openDatabase } from "../store/database.js"
import { KeyStore } from "../store/key-store.js"
import { PortStore } from "../store/port-store.js"
import { Terminals } from "../terminals/terminals.js"
import { FakeSandboxes } from "./fake-sandboxes.js"

/** The HTTP API over fake sandboxes, with a key of each kind. */
export interface TestServer {
  app: App
  sandboxes: FakeSandboxes
  keyring: Keyring
  metrics: Metrics
  inFlight: InFlight
  portAccess: PortAccess
  terminals: Terminals
  /** What was logged at level info and above, as one text. */
  logged: () => string
  keys: { admin: string; user: string; other: string }
  /** The id of the user key, and so the owner of its sandboxes. */
  userId: number
  close: () => Promise<void>
}

const frozenNow = Date.UTC(2030, 0, 1)

export async function createTestServer(
  settings: { allowedOrigins?: readonly string[] } = {},
): Promise<TestServer> {
  const database = await openDatabase(":memory:")
  const now = () => frozenNow
  const keyring = new Keyring(new KeyStore(database), now)
  const lines: string[] = []
  const log = pino({ level: "info" }, { write: (line) => void lines.push(line) })
  const sandboxes = new FakeSandboxes()
  const metrics = new Metrics()
  const inFlight = new InFlight()
  const service = () => sandboxes
  const links = new SignedLinks(new Uint8Array(32), now)
  const portAccess = new PortAccess({ service, keyring, store: new PortStore(database), links })
  const { allowedOrigins = [] } = settings
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
  // What the database knows of the fake sandboxes, all of which have this number.
  const row = { id: 1, owner_id: 0, name: "fake", image_key: "none", created_at: frozenNow }
  await database.insertInto("sandboxes").values(row).execute()
  const admin = await keyring.create({ name: "admin", role: "admin" })
  const user = await keyring.create({ name: "user", role: "user" })
  const other = await keyring.create({ name: "other", role: "user" })
  return {
    app,
    sandboxes,
    keyring,
    metrics,
    inFlight,
    portAccess,
    terminals,
    logged: () => lines.join(""),
    keys: { admin: admin.key, user: user.key, other: other.key },
    userId: user.id,
    close: () => database.destroy(),
  }
}
