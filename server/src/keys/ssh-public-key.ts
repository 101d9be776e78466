import { createHash, createPublicKey } from "node:crypto"
import ssh2, { type ParsedKey } from "ssh2"
import { Failure } from "../failure.js"

export interface SshPublicKey {
  fingerprint: string
  /** Type and base64, as in an `authorized_keys` line. */
  text: string
  comment: string
}

const acceptedTypes = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/
const minimumRsaBits = 2_048
const longestComment = 256

/** Reads one line of a `.pub` file. Fails with `invalid_request` when it is not a usable public key. */
export function parseSshPublicKey(line: string): SshPublicKey {
  if (line.includes("PRIVATE KEY")) {
    throw refusal("This is a private key: give its public half, the file ending in .pub.")
  }
  const key = parseKey(line)
  if (!acceptedTypes.test(key.type)) {
    throw refusal(`Keys of type ${key.type} are not supported: use ed25519, ecdsa or rsa.`)
  }
  if (key.type === "ssh-rsa" && rsaBits(key) < minimumRsaBits) {
    throw refusal(`An RSA key needs at least ${minimumRsaBits} bits.`)
  }
  const blob = key.getPublicSSH()
  return {
    fingerprint: sshFingerprint(blob),
    text: `${key.type} ${blob.toString("base64")}`,
    comment: key.comment.slice(0, longestComment),
  }
}

/** The fingerprint of a public key as `ssh-keygen -l` prints it. */
export function sshFingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`
}

function parseKey(line: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(line.trim())
  if (parsed instanceof Error) {
    throw refusal('This is no OpenSSH public key: expected one line such as "ssh-ed25519 AAAA… me@laptop".')
  }
  return parsed
}

function rsaBits(key: ParsedKey): number {
  return createPublicKey(key.getPublicPEM()).asymmetricKeyDetails?.modulusLength ?? 0
}

function refusal(message: string): Failure {
  return new Failure("invalid_request", message, { field: "publicKey" })
}
