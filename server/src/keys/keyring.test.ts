import { mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sql } from "kysely"
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
      await keyring.adoptEnvironmentKey("")

      expect(await keyring.authenticate("secret")).toBeUndefined()
      expect(await keyring.ensureAdminKey()).toMatchObject({ name: "admin", role: "admin" })
      expect(await keyring.ensureAdminKey()).toBeUndefined()
    })

    it("leaves an admin key that it repeats as it is", async () => {
      const { key } = await keyring.create({ name: "mine", role: "admin" })
      await keyring.adoptEnvironmentKey(key)
      await keyring.adoptEnvironmentKey("")

      expect(await keyring.authenticate(key)).toBeDefined()
    })

    it("keeps its name for itself", async () => {
      await expect(keyring.create({ name: "environment", role: "user" })).rejects.toMatchObject({
        code: "invalid_request",
      })
    })
  })

  describe("with SSH keys", () => {
    it.each(Object.entries(publicKeys))("knows for whom an %s key stands", async (_, publicKey) => {
      const { id } = await keyring.create({ name: "me", role: "user" })

      const added = await keyring.addSshKey({ keyId: id, publicKey: `${publicKey}\n` })

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
      const publicKey = publicKeys.ed25519
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
      ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE="],
      ["a weak key", weakPublicKey],
    ])("refuses %s", async (_, publicKey) => {
      const { id } = await keyring.create({ name: "me", role: "user" })

      await expect(keyring.addSshKey({ keyId: id, publicKey })).rejects.toMatchObject({
        code: "invalid_request",
        details: { field: "publicKey" },
      })
    })

    it("refuses a key for nobody", async () => {
      await expect(keyring.addSshKey({ keyId: 7, publicKey: publicKeys.ed25519 })).rejects.toMatchObject({
        code: "not_found",
      })
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
    expect((await stat(directory)).mode & 0o777).toBe(0o700)

    await Promise.all([first.close(), second.close()])
    await rm(parent, { recursive: true })
  })
})

const publicKeys = {
  ed25519: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPI5luCdeQAS2bEuIzyUX4as1xxzWUP/1t3A/NXRr5j2 me@laptop",
  ecdsa:
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLo2QEvrg2xHwJOK8oe5btRXu+3H8ofORK5GfzzpEmFzxbdIz6h1Rd3+RTtHjs8w3gLkJ+cnp31OinQsOjWUcEM= me@laptop",
  rsa: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDGe8gp+1hygMGaNL6r45JxgjA1EXxWXaFk5d7P1NiOc3cYmZ+NiByOXP3qHPT3IC7kBJ2nM4d7lwaQ/SjFqk5KkJ/8iy+a0Xv1JtQ/B9ZpKJ3/f2gSEEIgLCkYbSd23VeT1ZtdWNmgT2CorvRVTUWBLC8fzPlwEEZphmI0XSt5SQz5+pHHismRBNkbWinFWlKDQ+DssuBDdy9r+w8x91dAJe8+mDg7Bb0Pm1C3eaWWbcI52aUn+84KDo8tyl7kyK69/kfA5J78GYXfoZKSoWX+1h3UdjSndDJQdfoB1Abb5+7NJ42yvm4+ErXW1YDi8sm8ubkqhtHiMstTm7kQcL7f me@laptop",
}
const weakPublicKey =
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDdOVgRs9s+dshNoBGdPG6OWcRmR2ZuK+zqPJ1lOrLLpgcuB4WipCTPqfOgCk04uazfygaVS1wARsKS6M7BEEelMbGzN7DM4T7SGxEpKQlDvYwIx1NEoSV884cVfY0AdTINGpGLAfeDuW/G/qNNhvJvFr4COmU9OweD0ec6c69oSQ== me@laptop"

function blobOf(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64")
}
