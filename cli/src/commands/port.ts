import { InvalidArgumentError, type Command } from "commander"
import type { Failure, Sandbox } from "opensandbox"
import { conclude, jsonFlag, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { parseGuestPort } from "../options.js"

interface PortOptions extends JsonOption {
  expires?: number
  public?: boolean
}

type PortUrl = { success: true; url: string; expires_at?: string } | Failure

export function addPort(program: Command, context: Context): void {
  program
    .command("port")
    .description("print the address of a server in a sandbox")
    .argument("<name>", "the sandbox")
    .argument("<port>", "the port that the server listens on inside the sandbox", parseGuestPort)
    .option("--expires <seconds>", "make it a link that needs no key, for so long", parseSeconds)
    .option("--public", "let everybody reach the port from now on")
    .option("--no-public", "let everybody no longer reach it")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      "\nWithout a link, and where the port is not public, the server is reached with the API key in the header x-api-key.\n" +
        examples(
          "opensandbox port my-box 8080",
          "opensandbox port my-box 8080 --expires 3600",
          'curl -H "x-api-key: $OPENSANDBOX_API_KEY" "$(opensandbox port my-box 8080)"',
        ),
    )
    .action(async (name: string, port: number, options: PortOptions) => {
      const result = await portUrl(context.connect().sandbox(name), port, options)
      conclude(context, options, result, ({ url }) => `${url}\n`)
    })
}

async function portUrl(sandbox: Sandbox, port: number, options: PortOptions): Promise<PortUrl> {
  if (options.public !== undefined) {
    const set = await sandbox.setPort(port, { public: options.public })
    if (!set.success) return set
  }
  if (options.expires !== undefined) return sandbox.url(port, { expires: options.expires })
  return { success: true, url: sandbox.url(port) }
}

function parseSeconds(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError("It is a whole number of seconds.")
  return Number(text)
}
