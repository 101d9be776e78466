import { parseAddress, type Address } from "./address.js"

/*
 * The link between a guest and its gateway. There are only these two on it, and every machine has one of its own, so the
 * addresses are the same everywhere: a machine can be cloned and restored, and its network is already what it was.
 */

/** The guest's hardware address. */
export const guestMac = "02:6f:73:62:00:02"

/** The gateway's hardware address. */
export const gatewayMac = "02:6f:73:62:00:01"

const guestAddressText = "10.0.2.15"
const gatewayAddressText = "10.0.2.2"

export const guestAddress = addressOf(guestAddressText)
export const gatewayAddress = addressOf(gatewayAddressText)

/** The largest packet on the link, in bytes. Nothing is lost there, so a large one only saves work. */
export const linkMtu = 16_384

/** What the agent is told of the link. */
export interface GuestNetworkSetup {
  readonly address: string
  readonly prefix: number
  readonly gateway: string
  readonly dns: string
}

export const guestNetworkSetup: GuestNetworkSetup = {
  address: guestAddressText,
  prefix: 24,
  gateway: gatewayAddressText,
  dns: gatewayAddressText,
}

function addressOf(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  return address
}
