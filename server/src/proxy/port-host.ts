/** A port of a sandbox, as a host name tells it. */
export interface PortHost {
  port: number
  name: string
}

const pattern =
  /^([1-9][0-9]{0,4})-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([a-z0-9.-]+?)\.?(?::[0-9]{1,5})?$/

/** The longest label of a host name. */
const maxLabel = 63

/**
 * The port that a Host header names, as in `8080-my-sandbox.localhost:4000`; undefined when it names none.
 *
 * @param domains What sandboxes' host names end with, in lower case.
 */
export function parsePortHost(host: string | undefined, domains: readonly string[]): PortHost | undefined {
  const [, digits = "", name = "", domain = ""] = pattern.exec(host?.toLowerCase() ?? "") ?? []
  const port = Number(digits)
  if (port < 1 || port > 65_535 || digits.length + 1 + name.length > maxLabel) return undefined
  return domains.includes(domain) ? { port, name } : undefined
}
