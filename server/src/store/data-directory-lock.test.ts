import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { DataDirectoryLock } from "./data-directory-lock.js"

describe("DataDirectoryLock", () => {
  let directory: string
  let holder: ChildProcess | undefined

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "opensandbox-lock-"))
  })
  afterEach(async () => {
    if (holder?.exitCode === null && holder.signalCode === null) {
      holder.kill("SIGKILL")
      await once(holder, "exit")
    }
    holder = undefined
    await rm(directory, { recursive: true })
  })

  it("refuses a second holder and says what to do", () => {
    const lock = DataDirectoryLock.acquire(directory)

    expect(() => DataDirectoryLock.acquire(directory)).toThrow(/Another OpenSandbox server .* --data-dir/)
    lock.release()
  })

  it("can be taken again after its release", () => {
    DataDirectoryLock.acquire(directory).release()

    DataDirectoryLock.acquire(directory).release()
  })

  it("is refused while another process has it, and free as soon as that process is killed", async () => {
    const process = await holdInAnotherProcess()
    expect(() => DataDirectoryLock.acquire(directory)).toThrow("Another OpenSandbox server")

    process.kill("SIGKILL")
    await once(process, "exit")

    DataDirectoryLock.acquire(directory).release()
  })

  async function holdInAnotherProcess(): Promise<ChildProcess> {
    const sqlite = createRequire(import.meta.url).resolve("better-sqlite3")
    const script = `
      const database = new (require(${JSON.stringify(sqlite)}))(${JSON.stringify(join(directory, "lock.db"))})
      database.exec("BEGIN EXCLUSIVE")
      process.stdout.write("locked")
      setInterval(() => {}, 60_000)`
    const process = spawn("node", ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
    holder = process
    await once(process.stdout, "data")
    return process
  }
})
