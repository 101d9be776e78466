import type { Command } from "commander"
import { jsonFlag } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { dataDirectoryOption } from "../options.js"
import { table } from "../table.js"
import { withKeyring, type KeyOptions } from "../with-keyring.js"

export function addKeysList(keys: Command, context: Context): void {
  keys
    .command("list")
    .description("list the API keys that are not revoked")
    .addOption(dataDirectoryOption())
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox keys list"))
    .action(async (options: KeyOptions) => {
      await withKeyring(
        context,
        options,
        async (keyring) => ({ keys: await keyring.list() }),
        (result) =>
          table(
            ["ID", "NAME", "ROLE", "KEY", "CREATED"],
            result.keys.map((key) => [key.id, key.name, key.role, `${key.prefix}…`, key.created_at]),
          ),
      )
    })
}
