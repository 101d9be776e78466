import ssh2, { type AuthContext, type PublicKeyAuthContext } from "ssh2"
import type { Keyring } from "../keys/keyring.js"
import type { Principal } from "../keys/principal.js"

/** The one user name; who it is that logs in, the key tells. */
const userName = "sandbox"

/** The principal that a login attempt proves, or that an offered public key would prove. */
export async function authenticatedPrincipal(
  keyring: Keyring,
  attempt: AuthContext,
): Promise<Principal | undefined> {
  if (attempt.username !== userName) return undefined
  if (attempt.method === "password") return keyring.authenticate(attempt.password)
  if (attempt.method === "publickey" && isSound(attempt)) return keyring.identifySshKey(attempt.key.data)
  return undefined
}

/** Whether an attempt is signed by the key that it names; a client may first ask whether a key is welcome, unsigned. */
function isSound({ key, signature, blob, hashAlgo }: PublicKeyAuthContext): boolean {
  // An RSA signature without a named hash is one over SHA-1.
  if (key.algo === "ssh-rsa" && hashAlgo === undefined) return false
  if (signature === undefined) return true
  const parsed = ssh2.utils.parseKey(`${key.algo} ${key.data.toString("base64")}`)
  if (parsed instanceof Error || blob === undefined) return false
  return parsed.verify(blob, signature, hashAlgo)
}
