import { parseRange, type AddressRange } from "./address.js"
import { isWhollyForbidden } from "./forbidden-ranges.js"

/**
 * What a machine may reach: nothing and without a network device; the public internet; or only what the list names, each
 * entry `HOST` or `CIDR`, with `:PORT` for that port alone.
 */
export type NetworkPolicy = "none" | "internet" | { readonly allow: readonly string[] }

/** An entry of a list, understood. */
export interface AllowRule {
  /** A name in lower case without a dot at its end, or addresses. */
  readonly host: string | AddressRange
  /** Any when left out. */
  readonly port?: number
}

/** An entry of a list is wrong. The message is for whoever wrote it. */
export class NetworkPolicyError extends Error {
  override name = "NetworkPolicyError"
}

const hostName =
  /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/

/** @throws NetworkPolicyError when an entry is not understood, or could never be reached. */
export function allowRules(allow: readonly string[]): AllowRule[] {
  return allow.map(parseRule)
}

function parseRule(text: string): AllowRule {
  const [, host = text, digits] = /^(.*):(\d{1,5})$/.exec(text) ?? []
  const port = digits === undefined ? {} : { port: Number(digits) }
  if (port.port === 0 || (port.port ?? 0) > 65_535) throw misread(text, "a port is a number from 1 to 65535")
  const range = parseRange(host)
  if (range !== undefined) {
    if (isWhollyForbidden(range))
      throw misread(text, "private, local and reserved addresses are never reachable")
    return { host: range, ...port }
  }
  const name = host.toLowerCase().replace(/\.$/, "")
  // A name that ends in a number would be an address that is not one.
  if (!hostName.test(name) || /(^|\.)\d+$/.test(name)) {
    throw misread(
      text,
      "it must be a host's name, an IPv4 address or a range as in 192.0.2.0/24, with :PORT if need be",
    )
  }
  return { host: name, ...port }
}

function misread(text: string, why: string): NetworkPolicyError {
  return new NetworkPolicyError(`"${text.slice(0, 300)}" cannot be allowed: ${why}`)
}
