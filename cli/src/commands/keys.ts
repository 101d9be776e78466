import type { Command } from "commander"
import type { Context } from "../context.js"
import { addKeysAddSsh } from "./keys-add-ssh.js"
import { addKeysCreate } from "./keys-create.js"
import { addKeysList } from "./keys-list.js"
import { addKeysRevoke } from "./keys-revoke.js"

export function addKeys(program: Command, context: Context): void {
  const keys = program
    .command("keys")
    .description("manage API keys, on the server's own machine, in its data directory")
  addKeysCreate(keys, context)
  addKeysList(keys, context)
  addKeysRevoke(keys, context)
  addKeysAddSsh(keys, context)
}
