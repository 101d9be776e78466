import type { Route } from "opensandbox/contract"
import { Failure } from "../failure.js"
import type { Keyring } from "../keys/keyring.js"
import type { Principal } from "../keys/principal.js"

/** Who calls, if the route wants to know. Fails with `unauthorized` or `forbidden`. */
export async function authenticate(
  keyring: Keyring,
  auth: Route["auth"],
  key: string | undefined,
): Promise<Principal | undefined> {
  if (auth === "none") return undefined
  if (key === undefined || key === "") {
    throw new Failure("unauthorized", "An API key is needed in the header x-api-key.")
  }
  const principal = await keyring.authenticate(key)
  if (principal === undefined) throw new Failure("unauthorized", "This API key is unknown or revoked.")
  if (auth === "admin" && principal.role !== "admin") {
    throw new Failure("forbidden", "This needs an admin key.")
  }
  return principal
}
