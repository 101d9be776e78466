import { contains, encloses, parseRange, type Address, type AddressRange } from "./address.js"

/**
 * What is not the public internet (IANA's registry of special-purpose addresses): no setting opens these, since behind
 * them are the host's loopback, its neighbours, and the services of its cloud.
 */
const forbidden = [
  "0.0.0.0/8", // this host, which connects to itself there
  "10.0.0.0/8", // private
  "100.64.0.0/10", // shared by a carrier's customers
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local, with the metadata service of clouds
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // relays to IPv6
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks of networks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, and broadcast
].map((text) => parseRange(text) ?? fail(text))

export function isForbidden(address: Address): boolean {
  return forbidden.some((range) => contains(range, address))
}

/** Whether nothing in a range could ever be reached. */
export function isWhollyForbidden(range: AddressRange): boolean {
  return forbidden.some((outer) => encloses(outer, range))
}

function fail(text: string): never {
  throw new Error(`${text} is no range of addresses`)
}
