import type { Database } from "./database.js"

/** Which ports of sandboxes are public. */
export class PortStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** In ascending order. */
  async publicPorts(sandboxId: number): Promise<number[]> {
    const rows = await this.#database
      .selectFrom("public_ports")
      .select("port")
      .where("sandbox_id", "=", sandboxId)
      .orderBy("port")
      .execute()
    return rows.map((row) => row.port)
  }

  async isPublic(sandboxId: number, port: number): Promise<boolean> {
    const row = await this.#database
      .selectFrom("public_ports")
      .select("port")
      .where("sandbox_id", "=", sandboxId)
      .where("port", "=", port)
      .executeTakeFirst()
    return row !== undefined
  }

  async setPublic(sandboxId: number, port: number, isPublic: boolean): Promise<void> {
    if (isPublic) {
      await this.#database
        .insertInto("public_ports")
        .values({ sandbox_id: sandboxId, port })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    } else {
      await this.#database
        .deleteFrom("public_ports")
        .where("sandbox_id", "=", sandboxId)
        .where("port", "=", port)
        .execute()
    }
  }
}
