import { generateKeyPairSync } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sql } from "kysely"
import { utils } from "ssh2"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDatabase, type Database } from "../store/database.js"
import { KeyStore } from "../store/key-store.js"
import { Keyring } from "./keyring.js"
import { openKeyring } from "./open-keyring.js"

const noon = Date.UTC(2030, 0, 1, 12)

describe("Keyring", () => {
  let database: Database
  let keyring: Keyring

  beforeEach(async () => {
    database = await openDatabase(":memory:")
    keyring = new Keyring(new KeyStore(database), () => noon)
  })
  afterEach(() => database.destroy())

  it("makes a key that authenticates as its own owner", async () => {
    const { key, ...rest } = await keyring.create({ name: "ci", role: "user" })

    expect(key).toMatch(/^ws_[0-9a-f]{64}$/)
    expect(rest).toEqual({ id: 1, name: "ci", role: "user", created_at: "2030-01-01T12:00:00.000Z" })
    expect(await keyring.authenticate(key)).toEqual({ ownerId: 1, role: "user", keyId: 1 })
  })

  it("stores no key, only its hash and how it begins", async () => {
    const { key } = await keyring.create({ name: "ci", role: "user" })
    const { rows } = await sql<Record<string, unknown>>`select * from keys`.execute(database)

    expect(JSON.stringify(rows)).not.toContain(key.slice(12))
    expect(await keyring.list()).toMatchObject([{ name: "ci", prefix: key.slice(0, 11) }])
  })

  it("lets all admin keys own the same sandboxes", async () => {
    const first = await keyring.create({ name: "one", role: "admin" })
    const second = await keyring.create({ name: "two", role: "admin" })

    expect(await keyring.authenticate(first.key)).toMatchObject({ ownerId: 0, keyId: 1 })
    expect(await keyring.authenticate(second.key)).toMatchObject({ ownerId: 0, keyId: 2 })
  })

  it("knows neither a wrong key, nor an empty one, nor a revoked one", async () => {
    const { id, key } = await keyring.create({ name: "ci", role: "user" })
    await keyring.revoke(id)

    expect(await keyring.authenticate(key)).toBeUndefined()
    expect(await keyring.authenticate(`${key}0`)).toBeUndefined()
    expect(await keyring.authenticate("")).toBeUndefined()
    expect(await keyring.list()).toEqual([])
    await expect(keyring.revoke(id)).rejects.toMatchObject({ code: "not_found" })
  })

  describe("with OPENSANDBOX_API_KEY", () => {
    it("accepts it as an admin key, however often the server starts", async () => {
      await keyring.adoptEnvironmentKey("secret")
      await keyring.adoptEnvironmentKey("secret")

      expect(await keyring.authenticate("secret")).toMatchObject({ ownerId: 0, role: "admin" })
      expect(await keyring.list()).toMatchObject([{ name: "environment", prefix: "s" }])
      expect(await keyring.ensureAdminKey()).toBeUndefined()
    })

    it("accepts the old value no longer once it changed, and again when it changes back", async () => {
      await keyring.adoptEnvironmentKey("old")
      await keyring.adoptEnvironmentKey("new")
      expect(await keyring.authenticate("old")).toBeUndefined()
      expect(await keyring.authenticate("new")).toBeDefined()

      await keyring.adoptEnvironmentKey("old")
      expect(await keyring.authenticate("old")).toMatchObject({ role: "admin" })
      expect(await keyring.authenticate("new")).toBeUndefined()
    })

    it("accepts it no longer once it is unset, and a new admin key takes its place", async () => {
      await keyring.adoptEnvironmentKey("secret")
      await keyring.adoptEnvironmentKey(undefined)

      expect(await keyring.authenticate("secret")).toBeUndefined()
      expect(await keyring.ensureAdminKey()).toMatchObject({ name: "admin", role: "admin" })
      expect(await keyring.ensureAdminKey()).toBeUndefined()
    })

    it("leaves an admin key that it repeats as it is", async () => {
      const { key } = await keyring.create({ name: "mine", role: "admin" })
      await keyring.adoptEnvironmentKey(key)
      await keyring.adoptEnvironmentKey(undefined)

      expect(await keyring.authenticate(key)).toBeDefined()
    })

    it("keeps its name for itself", async () => {
      await expect(keyring.create({ name: "environment", role: "user" })).rejects.toMatchObject({
        code: "invalid_request",
      })
    })
  })

  describe("with SSH keys", () => {
    it.each(["ed25519", "ecdsa", "rsa"] as const)("knows for whom an %s key stands", async (type) => {
      const { id } = await keyring.create({ name: "me", role: "user" })
      const publicKey = `${newPublicKey(type)} me@laptop\n`

      const added = await keyring.addSshKey({ keyId: id, publicKey })

      expect(added).toEqual({
        id: 1,
        key_id: id,
        fingerprint: expect.stringMatching(/^SHA256:[\w+/]{43}$/) as string,
        comment: "me@laptop",
      })
      expect(await keyring.identifySshKey(blobOf(publicKey))).toMatchObject({ keyId: id, ownerId: id })
    })

    it("forgets them with their API key, so that another can have them", async () => {
      const first = await keyring.create({ name: "one", role: "user" })
      const second = await keyring.create({ name: "two", role: "user" })
      const publicKey = newPublicKey("ed25519")
      await keyring.addSshKey({ keyId: first.id, publicKey })
      await expect(keyring.addSshKey({ keyId: second.id, publicKey })).rejects.toMatchObject({
        code: "already_exists",
      })

      await keyring.revoke(first.id)
      expect(await keyring.identifySshKey(blobOf(publicKey))).toBeUndefined()

      await keyring.addSshKey({ keyId: second.id, publicKey })
      expect(await keyring.identifySshKey(blobOf(publicKey))).toMatchObject({ keyId: second.id })
    })

    it.each([
      ["nothing", ""],
      ["no key", "hello"],
      ["a broken key", "ssh-ed25519 AAAA me"],
      ["a private key", utils.generateKeyPairSync("ed25519").private],
      ["a weak key", weakPublicKey()],
    ])("refuses %s", async (_, publicKey) => {
      const { id } = await keyring.create({ name: "me", role: "user" })

      await expect(keyring.addSshKey({ keyId: id, publicKey })).rejects.toMatchObject({
        code: "invalid_request",
        details: { field: "publicKey" },
      })
    })

    it("refuses a key for nobody", async () => {
      await expect(keyring.addSshKey({ keyId: 7, publicKey: newPublicKey("ed25519") })).rejects.toMatchObject(
        {
          code: "not_found",
        },
      )
    })
  })
})

describe("openKeyring", () => {
  it("makes a directory for its owner alone, and finds the keys again", async () => {
    const parent = await mkdtemp(join(tmpdir(), "opensandbox-keys-"))
    const directory = join(parent, "data")

    const first = await openKeyring(directory)
    const { key } = await first.create({ name: "ci", role: "user" })
    const second = await openKeyring(directory)
    expect(await second.authenticate(key)).toBeDefined()

    await Promise.all([first.close(), second.close()])
    await rm(parent, { recursive: true })
  })
})

function newPublicKey(type: "ed25519" | "ecdsa" | "rsa"): string {
  if (type === "ed25519") return utils.generateKeyPairSync("ed25519").public
  if (type === "ecdsa") return utils.generateKeyPairSync("ecdsa", { bits: 256 }).public
  return utils.generateKeyPairSync("rsa", { bits: 2_048 }).public
}

function weakPublicKey(): string {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 })
  const { n, e } = publicKey.export({ format: "jwk" })
  const parts = [
    Buffer.from("ssh-rsa"),
    Buffer.from(e ?? "", "base64url"),
    Buffer.concat([Buffer.of(0), Buffer.from(n ?? "", "base64url")]),
  ]
  const blob = Buffer.concat(parts.flatMap((part) => [lengthOf(part), part]))
  return `ssh-rsa ${blob.toString("base64")}`
}

function lengthOf(part: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(part.length)
  return length
}

function blobOf(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64")
}
