import { generateKeyPairSync, randomBytes } from "node:crypto"

/** An SSH key pair in OpenSSH's formats. */
export interface SshKeyPair {
  /** The whole private key file. */
  privateKey: string
  /** The line of a `.pub` file, without a comment. */
  publicKey: string
}

/**
 * Makes an ed25519 key pair. (ssh2's own generator spoils one key in 256 by dropping a leading zero, and ssh2 does not
 * read what Node's writes, so this writes OpenSSH's format.)
 */
export function generateEd25519KeyPair(): SshKeyPair {
  const { x = "", d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  const publicBytes = Buffer.from(x, "base64url")
  const secret = Buffer.concat([Buffer.from(d, "base64url"), publicBytes])
  const publicBlob = strings(keyType, publicBytes)
  return {
    publicKey: `${keyType} ${publicBlob.toString("base64")}`,
    privateKey: pem(
      Buffer.concat([
        Buffer.from("openssh-key-v1\0"),
        strings("none", "none", ""),
        number(1),
        strings(publicBlob, privateSection(publicBytes, secret)),
      ]),
    ),
  }
}

const keyType = "ssh-ed25519"
const blockBytes = 8

/** The part that a passphrase would encrypt: two equal numbers tell whether it was the right one. */
function privateSection(publicBytes: Buffer, secret: Buffer): Buffer {
  const check = randomBytes(4)
  const section = Buffer.concat([check, check, strings(keyType, publicBytes, secret, "")])
  const missing = (blockBytes - (section.length % blockBytes)) % blockBytes
  return Buffer.concat([section, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))])
}

/** Each value after its length, as SSH writes strings. */
function strings(...values: (string | Buffer)[]): Buffer {
  return Buffer.concat(
    values.map((value) => Buffer.from(value)).flatMap((bytes) => [number(bytes.length), bytes]),
  )
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function pem(content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,70}/g) ?? []
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n")
}
