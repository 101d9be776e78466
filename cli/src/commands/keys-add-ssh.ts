import { readFile } from "node:fs/promises"
import type { Command } from "commander"
import { jsonFlag } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { dataDirectoryOption, parseKeyId } from "../options.js"
import { withKeyring, type KeyOptions } from "../with-keyring.js"

export function addKeysAddSsh(keys: Command, context: Context): void {
  keys
    .command("add-ssh")
    .description("let the holder of an SSH key log in as the holder of an API key")
    .argument("<file>", "a public key as in ~/.ssh/id_ed25519.pub; - reads the standard input")
    .requiredOption("--key <id>", "the API key's number", parseKeyId)
    .addOption(dataDirectoryOption())
    .option(...jsonFlag)
    .addHelpText("after", examples("opensandbox keys add-ssh ~/.ssh/id_ed25519.pub --key 2"))
    .action(async (file: string, options: KeyOptions & { key: number }) => {
      const publicKey =
        file === "-" ? await new Response(context.stdin()).text() : await readFile(file, "utf8")
      await withKeyring(
        context,
        options,
        (keyring) => keyring.addSshKey({ keyId: options.key, publicKey }),
        ({ fingerprint }) => `${fingerprint} stands for key ${options.key} now\n`,
      )
    })
}
