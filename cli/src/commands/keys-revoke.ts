import type { Command } from "commander"
import { jsonFlag } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { dataDirectoryOption, parseKeyId } from "../options.js"
import { withKeyring, type KeyOptions } from "../with-keyring.js"

export function addKeysRevoke(keys: Command, context: Context): void {
  keys
    .command("revoke")
    .description("revoke an API key, and the SSH keys that stand for it, at once; its sandboxes remain")
    .argument("<id>", 'the number that "opensandbox keys list" shows', parseKeyId)
    .addOption(dataDirectoryOption())
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox keys revoke 3"))
    .action(async (id: number, options: KeyOptions) => {
      await withKeyring(
        context,
        options,
        async (keyring) => {
          await keyring.revoke(id)
          return { message: `Revoked key ${id}` }
        },
        ({ message }) => `${message}\n`,
      )
    })
}
