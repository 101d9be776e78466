import type { RunningServer, ServerConfig } from "@opensandbox/server"
import type { Command } from "commander"
import type { Context } from "../context.js"
import { examples } from "../examples.js"
import { exitCodes } from "../exit-codes.js"
import { idleTimeoutOption, lifetimeHelp, secondsOrNull, type TimeLimit } from "../lifetime-options.js"
import {
  allowOriginOption,
  dataDirectoryOption,
  domainOption,
  durabilityOption,
  hostOption,
  maxOutputOption,
  memoryOption,
  maxSandboxesOption,
  poolSizeOption,
  portOption,
} from "../options.js"
import {
  keepDaysOption,
  keepLastOption,
  limitOrNull,
  maxSizeOption,
  quotaOption,
  retentionHelp,
  type Limit,
} from "../retention-options.js"

interface ServeOptions {
  host: string
  domain: string
  port: number
  dataDir: string
  maxSandboxes: number
  memoryMb?: number
  poolSize: number
  maxOutput: number
  allowOrigin: string[]
  keepLast: Limit
  keepDays: Limit
  maxSize: Limit
  quota: Limit
  idleTimeout: TimeLimit
  durability: ServerConfig["durability"]
}

export function addServe(program: Command, context: Context): void {
  program
    .command("serve")
    .description("run the server until SIGINT or SIGTERM")
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(domainOption())
    .addOption(dataDirectoryOption())
    .addOption(maxSandboxesOption())
    .addOption(memoryOption())
    .addOption(poolSizeOption())
    .addOption(maxOutputOption())
    .addOption(allowOriginOption())
    .addOption(keepLastOption().env("OPENSANDBOX_KEEP_LAST").default("none"))
    .addOption(keepDaysOption().env("OPENSANDBOX_KEEP_DAYS").default("none"))
    .addOption(maxSizeOption().env("OPENSANDBOX_MAX_SIZE").default("none"))
    .addOption(quotaOption().env("OPENSANDBOX_QUOTA").default("none"))
    .addOption(idleTimeoutOption().env("OPENSANDBOX_IDLE_TIMEOUT").default("none"))
    .addOption(durabilityOption())
    .addHelpText(
      "after",
      "\nOPENSANDBOX_API_KEY, if set, is accepted as the admin key; otherwise the first start makes one and prints it.\n" +
        "The limits and the idle timeout are those of every sandbox that has none of its own.\n" +
        retentionHelp +
        lifetimeHelp +
        examples(
          "opensandbox serve",
          "opensandbox serve --port 4100 --data-dir ./data",
          "opensandbox serve --keep-days 30 --quota 5G --durability disk",
        ),
    )
    .action((options: ServeOptions) => serve(context, options))
}

async function serve(context: Context, options: ServeOptions): Promise<void> {
  const stopped = stopSignal(context)
  const server = await (await context.loadServer()).startServer(await serverConfig(options))
  announce(context, server)
  await stopped
  await server.close()
}

async function serverConfig(options: ServeOptions): Promise<ServerConfig> {
  const { currentImage, defaultCacheDirectory } = await import("@opensandbox/image")
  const cacheDirectory = defaultCacheDirectory()
  const imageDirectory = await currentImage(cacheDirectory)
  if (imageDirectory === undefined) {
    throw new Error(
      `There is no image in ${cacheDirectory}: run "npm run setup" in the repository to build one.`,
    )
  }
  const apiKey = process.env["OPENSANDBOX_API_KEY"]
  return {
    host: options.host,
    domain: options.domain,
    port: options.port,
    dataDirectory: options.dataDir,
    cacheDirectory,
    imageDirectory,
    maxSandboxes: options.maxSandboxes,
    ...(options.memoryMb !== undefined && { memoryMiB: options.memoryMb }),
    poolSize: options.poolSize,
    maxOutputBytes: options.maxOutput,
    allowedOrigins: options.allowOrigin,
    retention: {
      keepLast: limitOrNull(options.keepLast),
      keepDays: limitOrNull(options.keepDays),
      maxBytes: limitOrNull(options.maxSize),
      quotaBytes: limitOrNull(options.quota),
    },
    idleTimeout: secondsOrNull(options.idleTimeout),
    durability: options.durability,
    ...(apiKey !== undefined && apiKey !== "" && { apiKey }),
  }
}

/** Resolves at the first signal. A second one, when closing takes too long for the user, ends the process at once. */
function stopSignal(context: Context): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0
    context.onStopSignal(() => {
      signals += 1
      if (signals === 1) resolve()
      else context.exitNow(exitCodes.failed)
    })
  })
}

function announce(context: Context, { url, adminKey, accelerator }: RunningServer): void {
  if (adminKey !== undefined) {
    context.stdout(`Admin key, shown only this once: ${adminKey}\n`)
  }
  if (accelerator === "tcg") {
    context.stderr(
      "Warning: the guests run under software emulation (tcg). It is slow and gives no isolation guarantee: use it for " +
        'development only. "opensandbox doctor" says why.\n',
    )
  }
  context.stdout(`OpenSandbox is ready on ${url} (${accelerator})\n`)
}
