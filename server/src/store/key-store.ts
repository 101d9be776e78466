import type { Selectable } from "kysely"
import type { Database } from "./database.js"
import type { KeyRole, KeyRow, SshKeysTable } from "./tables.js"

/** API keys and the SSH keys that stand for them, as rows. */
export class KeyStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async insert(key: Omit<KeyRow, "id" | "revoked_at">): Promise<number> {
    const row = await this.#database.insertInto("keys").values(key).returning("id").executeTakeFirstOrThrow()
    return row.id
  }

  /** The key with this hash, also a revoked one. */
  async findByHash(hash: Buffer): Promise<KeyRow | undefined> {
    return this.#database.selectFrom("keys").selectAll().where("hash", "=", hash).executeTakeFirst()
  }

  async findLive(id: number): Promise<KeyRow | undefined> {
    return this.#live().where("id", "=", id).executeTakeFirst()
  }

  async listLive(): Promise<KeyRow[]> {
    return this.#live().orderBy("id").execute()
  }

  async hasLiveAdmin(): Promise<boolean> {
    return (await this.#live().where("role", "=", "admin").limit(1).execute()).length > 0
  }

  /** Makes a key that exists live again, with this role and name. */
  async reinstate(id: number, as: { role: KeyRole; name: string }): Promise<void> {
    await this.#database
      .updateTable("keys")
      .set({ ...as, revoked_at: null })
      .where("id", "=", id)
      .execute()
  }

  /** Revokes a live key and forgets its SSH keys, which may then be given to another. False when there is none. */
  async revoke(id: number, at: number): Promise<boolean> {
    return this.#database.transaction().execute(async (transaction) => {
      await transaction.deleteFrom("ssh_keys").where("key_id", "=", id).execute()
      const { numUpdatedRows } = await transaction
        .updateTable("keys")
        .set({ revoked_at: at })
        .where("id", "=", id)
        .where("revoked_at", "is", null)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    })
  }

  /** The id of the new row, or undefined when the fingerprint is taken. */
  async insertSshKey(key: Omit<Selectable<SshKeysTable>, "id">): Promise<number | undefined> {
    const row = await this.#database
      .insertInto("ssh_keys")
      .values(key)
      .onConflict((conflict) => conflict.column("fingerprint").doNothing())
      .returning("id")
      .executeTakeFirst()
    return row?.id
  }

  /** The live API key for which this SSH key stands. */
  async findLiveBySshKey(fingerprint: string): Promise<KeyRow | undefined> {
    return this.#live()
      .where("id", "in", (query) =>
        query.selectFrom("ssh_keys").select("key_id").where("fingerprint", "=", fingerprint),
      )
      .executeTakeFirst()
  }

  #live() {
    return this.#database.selectFrom("keys").selectAll().where("revoked_at", "is", null)
  }
}
