import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The root of the repository. */
export const repository = fileURLToPath(new URL("../..", import.meta.url))

/** The built `opensandbox` command, to be run by `process.execPath`. */
export const cli = join(repository, "cli", "bin", "opensandbox.js")
