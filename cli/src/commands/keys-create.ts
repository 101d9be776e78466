import type { Command } from "commander"
import { jsonFlag } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { dataDirectoryOption } from "../options.js"
import { withKeyring, type KeyOptions } from "../with-keyring.js"

export function addKeysCreate(keys: Command, context: Context): void {
  keys
    .command("create")
    .description("make an API key and print it; it is shown only this once")
    .option("--name <name>", "what the key is for", "unnamed")
    .addOption(dataDirectoryOption())
    .option(...jsonFlag)
    .addHelpText("after", examples("export OPENSANDBOX_API_KEY=$(opensandbox keys create --name ci)"))
    .action(async (options: KeyOptions & { name: string }) => {
      await withKeyring(
        context,
        options,
        (keyring) => keyring.create({ name: options.name, role: "user" }),
        ({ key }) => `${key}\n`,
      )
    })
}
