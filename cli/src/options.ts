import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { InvalidArgumentError, Option } from "commander"

/** Where a server keeps everything, unless told otherwise. */
const defaultDataDirectory = () =>
  join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "opensandbox")

export const dataDirectoryOption = () =>
  new Option("--data-dir <directory>", "where the server keeps its sandboxes and keys")
    .env("OPENSANDBOX_DATA_DIR")
    .argParser((directory: string) => resolve(notEmpty(directory)))
    .default(defaultDataDirectory())

export const hostOption = () =>
  new Option("--host <address>", "the address to listen on")
    .env("OPENSANDBOX_HOST")
    .argParser(notEmpty)
    .default("127.0.0.1")

export const domainOption = () =>
  new Option("--domain <name>", "what the host names of sandboxes' ports end with, beside localhost")
    .env("OPENSANDBOX_DOMAIN")
    .argParser(parseDomain)
    .default("localhost")

export const portOption = () =>
  new Option("--port <number>", "the port to listen on, 0 for any that is free")
    .env("OPENSANDBOX_PORT")
    .argParser(parsePort)
    .default(4000)

export const maxSandboxesOption = () =>
  new Option("--max-sandboxes <number>", "how many sandboxes there may be at the same time")
    .env("OPENSANDBOX_MAX_SANDBOXES")
    .argParser(parseCount)
    .default(100)

export const memoryOption = () =>
  new Option(
    "--memory-mb <MiB>",
    "how much memory all machines may have together (default: four fifths of the host's)",
  )
    .env("OPENSANDBOX_MEMORY_MB")
    .argParser(parseCount)

export const poolSizeOption = () =>
  new Option(
    "--pool-size <number>",
    "how many machines are kept ready, for sandboxes to start sooner; 0 for none",
  )
    .env("OPENSANDBOX_POOL_SIZE")
    .argParser(parsePoolSize)
    .default(2)

export const maxOutputOption = () =>
  new Option("--max-output <bytes>", "how much of each output stream a command's result carries")
    .env("OPENSANDBOX_MAX_OUTPUT")
    .argParser(parseCount)
    .default(8 * 1024 * 1024)

export const allowOriginOption = () =>
  new Option(
    "--allow-origin <origin>",
    "an origin whose web pages may use the API, as in https://example.com",
  )
    .env("OPENSANDBOX_ALLOW_ORIGIN")
    .argParser(collectOrigins)
    .default([], "none")

export const durabilityOption = () =>
  new Option(
    "--durability <what>",
    "what a snapshot survives: the death of any process, or a loss of power too (disk)",
  )
    .env("OPENSANDBOX_DURABILITY")
    .choices(["process", "disk"])
    .default("process")

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It is a whole number of at least 1.")
  return Number(text)
}

function parsePoolSize(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError("It is a whole number from 0 to 99.")
  return Number(text)
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError("A port is a whole number from 0 to 65535.")
  }
  return Number(text)
}

function parseDomain(text: string): string {
  const domain = text.toLowerCase()
  if (!/^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/.test(domain) || domain.length > 185) {
    throw new InvalidArgumentError("It is a domain, as in sandboxes.example.com.")
  }
  return domain
}

/** A TCP port that something can listen on. */
export function parseGuestPort(text: string): number {
  const port = parsePort(text)
  if (port === 0) throw new InvalidArgumentError("A port is a whole number from 1 to 65535.")
  return port
}

/** Adds one origin, or several with commas between them, to those before. */
function collectOrigins(text: string, before: readonly string[]): string[] {
  const origins = text.split(",").map((origin) => origin.trim())
  if (!origins.every(isWebOrigin)) {
    throw new InvalidArgumentError(
      "An origin is a scheme, a host and, if need be, a port, as in https://example.com.",
    )
  }
  return [...before, ...origins]
}

function isWebOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

function notEmpty(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must not be empty.")
  return text
}

export function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("A process has a whole number.")
  return Number(text)
}

export function parseKeyId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError("A key's id is a whole number.")
  return Number(text)
}
