import { isIPv4 } from "node:net"

/** An IPv4 address as an unsigned number of 32 bits: 127.0.0.1 is 0x7f000001. */
export type Address = number

/** The addresses that begin with the same bits. */
export interface AddressRange {
  readonly first: Address
  /** How many bits all of them share, from 0 to 32. */
  readonly prefix: number
}

/** Reads four decimal numbers with dots between; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  if (!isIPv4(text)) return undefined
  return text.split(".").reduce((address, part) => address * 256 + Number(part), 0)
}

export function formatAddress(address: Address): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".")
}

/** Reads `ADDRESS/BITS`, or an address alone, which is a range of one; undefined for anything else. */
export function parseRange(text: string): AddressRange | undefined {
  const [, base = "", bits = "32"] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? []
  const address = parseAddress(base)
  const prefix = Number(bits)
  if (address === undefined || prefix > 32) return undefined
  return { first: (address & mask(prefix)) >>> 0, prefix }
}

export function contains({ first, prefix }: AddressRange, address: Address): boolean {
  return (address & mask(prefix)) >>> 0 === first
}

/** Whether all of `inner` is in `outer`. */
export function encloses(outer: AddressRange, inner: AddressRange): boolean {
  return inner.prefix >= outer.prefix && contains(outer, inner.first)
}

function mask(prefix: number): number {
  // A shift by 32 would shift by nothing.
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0
}
