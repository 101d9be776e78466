export type { ServerConfig } from "./config.js"
export { Failure } from "./failure.js"
export { openKeyring } from "./keys/open-keyring.js"
export { startServer, type RunningServer } from "./server.js"
