import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { Failure, Sandbox } from "opensandbox"
import { expect, inject } from "vitest"
import { eventually } from "../support/eventually.js"
import { machineDirectories } from "../support/machines.js"
import { succeeded } from "../support/results.js"
import type { TestServer } from "../support/server.js"
import { hashCommand } from "../support/workspace.js"
import { Promises, type PromisedSnapshot, type World } from "./promises.js"

/** The sandbox that things are done to. */
export const box = "box"

/** A fork of it, and a sandbox that has nothing to do with it. */
const [twin, bystander] = ["twin", "bystander"]

/** The label of one of its snapshots. */
export const label = "good"

/** Where its snapshots stand in its history: the one that its fork begins with, and one that no other names. */
export const places = { forked: 1, unshared: 2 }

/** Files of layers that something still had open go a little later. */
const goneMs = 20_000

/** A server's sandboxes, to one of which something is about to happen, and what was promised of all of them. */
export class Stage {
  readonly promises = new Promises()
  readonly server: TestServer
  /** An export of the bystander. */
  #archive = new Uint8Array()
  /** The files of the bystander's layers. */
  #files: readonly string[] = []
  /** The hashes of what the sandbox was without a snapshot. */
  readonly #unrecorded: string[] = []
  /** How often all was verified. */
  #verified = 0

  private constructor(server: TestServer) {
    this.server = server
  }

  /** Sets up the sandbox to which nothing happens. It has no machine. */
  static async open(server: TestServer): Promise<Stage> {
    const stage = new Stage(server)
    const origin = succeeded(await server.client().create("origin")).sandbox
    stage.promises.settle({ origin: [{ name: "initial", hash: await stage.hash("origin") }] })
    await stage.run("origin", "mkdir quiet; head -c 50000 /dev/urandom > quiet/noise")
    succeeded(await origin.fork(bystander))
    succeeded(await origin.destroy())
    stage.promises.settle({ [bystander]: stage.promises.of("origin") })
    stage.#files = await stage.#layerFiles()
    const exported = succeeded(await stage.sandbox(bystander).export({ image: false }))
    stage.#archive = new Uint8Array(await new Response(exported.archive).arrayBuffer())
    return stage
  }

  /** The hash of an empty workspace. */
  get emptyHash(): string | undefined {
    return this.promises.of(bystander)[0]?.hash
  }

  /** An archive, made once. */
  get archive(): Uint8Array<ArrayBuffer> {
    return this.#archive
  }

  /** The hash of the workspace that is in the archive. */
  get archivedHash(): string | undefined {
    return this.promises.of(bystander).at(-1)?.hash
  }

  /** The hash of the sandbox's workspace after the last change. */
  get changedHash(): string | undefined {
    return this.#unrecorded.at(-1)
  }

  /** Makes the sandbox, which has a change that is in no snapshot, and its fork. */
  async setUp(): Promise<void> {
    const { sandbox } = succeeded(await this.server.client().create(box))
    const initial = { name: "initial", hash: this.emptyHash }
    this.promises.settle(this.promises.with({ [box]: [initial] }))
    await this.run(box, `head -c 300000 /dev/urandom > blob; mkdir -p d; ln -s blob link; ${flip("one")}`)
    succeeded(await sandbox.fork(twin))
    this.promises.settle(this.promises.with({ [twin]: this.promises.of(box) }))
    await this.run(box, `echo two > d/two; chmod 700 d; ${flip("two")}`)
    const hash = await this.change(`rm blob; head -c 100000 /dev/urandom > d/other; ${flip("one")}`)
    const { snapshot } = succeeded(await sandbox.snapshot(label))
    this.promises.settle(this.withSnapshot(box, { name: snapshot.snapshot_name, hash }))
    await this.change("echo unrecorded >> unrecorded")
  }

  sandbox(name: string): Sandbox {
    return this.server.sandbox(name)
  }

  /** The world with one more snapshot of a sandbox. */
  withSnapshot(sandbox: string, snapshot: PromisedSnapshot): World {
    return this.promises.with({ [sandbox]: [...this.promises.of(sandbox), snapshot] })
  }

  /** Makes a request that may get no answer. @param effects What may have become of it then; the last one is all of it. */
  async request<Answer extends { success: true }>(
    effects: readonly World[],
    answer: Promise<Answer | Failure>,
  ): Promise<Answer | Failure> {
    this.promises.begin(effects)
    const result = await answer
    if (result.success) this.promises.settle(effects.at(-1))
    return result
  }

  /** Runs a command after which a snapshot is taken. @returns the answer, if there was one. */
  async run(sandbox: string, command: string) {
    const unknown = this.withSnapshot(sandbox, { name: undefined, hash: undefined })
    const answer = this.sandbox(sandbox).run(`${command}; ${hashCommand}`)
    const known = this.promises.world
    const result = await this.request([unknown], answer)
    if (result.success) {
      this.promises.settle(known)
      this.promises.settle(this.withSnapshot(sandbox, { name: result.snapshot, hash: result.stdout }))
    }
    return result
  }

  /** Changes the sandbox without a snapshot. @returns the hash of its workspace then. */
  async change(command: string): Promise<string> {
    const hash = await this.hash(box, command)
    this.#unrecorded.push(hash)
    return hash
  }

  /** What the sandbox's newest snapshot has added; undefined when there is no answer. */
  async newestBytes(): Promise<number | undefined> {
    const listed = await this.sandbox(box).snapshots()
    return listed.success ? listed.snapshots.at(-1)?.bytes : undefined
  }

  /** The hash of a sandbox's workspace as it is now, after a command. Nothing is recorded. */
  async hash(sandbox: string, command = "true"): Promise<string> {
    const options = { snapshot: false } as const
    return succeeded(await this.sandbox(sandbox).run(`${command}; ${hashCommand}`, options)).stdout
  }

  /** Compares what the server lists and holds, but for the bystander, with what was promised. */
  async verify(): Promise<void> {
    const presents = this.promises.presentHashes(box)
    this.promises.reconcile(await this.#listing())
    const { world } = this.promises
    if (box in world && presents !== undefined)
      expect([...presents, ...this.#unrecorded], "the present of the sandbox").toContain(await this.hash(box))
    const visits = Object.entries(world)
      .filter(([name]) => name !== bystander)
      // The others share with the sandbox what they have beyond their newest snapshot.
      .map(([name, snapshots]) =>
        this.#visit(name, name === box ? this.#worthAVisit(snapshots) : snapshots.slice(-1)),
      )
    await Promise.all(visits)
  }

  /** Each of the sandbox's own snapshots, or the newest and each time another one of those before. `initial` is the image's. */
  #worthAVisit(snapshots: readonly PromisedSnapshot[]): readonly PromisedSnapshot[] {
    const own = snapshots.slice(1)
    if (inject("sizes").faults.thorough) return own
    this.#verified += 1
    const earlier = own.slice(0, -1)
    const inTurn = earlier.length === 0 ? [] : earlier.slice(this.#verified % earlier.length).slice(0, 1)
    return [...inTurn, ...own.slice(-1)]
  }

  /** Destroys all but the bystander. Nothing of them may be left. */
  async clear(): Promise<void> {
    for (const name of Object.keys(await this.#listing()))
      if (name !== bystander) succeeded(await this.sandbox(name).destroy())
    this.promises.settle({ [bystander]: this.promises.of(bystander) })
    await this.#expectLeft(this.#files)
  }

  /** Makes a fresh start after a failure. */
  async reset(): Promise<void> {
    await this.server.kill()
    await rm(join(this.server.dataDirectory, "ballast"), { force: true })
    await this.server.restart()
    for (const { name } of succeeded(await this.server.client().list()).vms)
      if (name !== bystander) await this.sandbox(name).destroy()
    this.promises.settle({ [bystander]: this.promises.of(bystander) })
  }

  /** Ends it all, after a look at what the bystander holds. */
  async close(): Promise<void> {
    await this.#visit(bystander, this.promises.of(bystander))
    succeeded(await this.sandbox(bystander).destroy())
    await this.#expectLeft([])
  }

  /** Goes back to each of the snapshots, from the newest to the oldest, and compares what they hold. */
  async #visit(sandbox: string, snapshots: readonly PromisedSnapshot[]): Promise<void> {
    for (const { name = "", hash } of snapshots.toReversed()) {
      succeeded(await this.sandbox(sandbox).restore(name))
      const found = await this.hash(sandbox)
      if (hash !== undefined) expect(found, `the content of ${sandbox} at ${name}`).toBe(hash)
    }
  }

  async #listing(): Promise<Record<string, string[]>> {
    const listing: Record<string, string[]> = {}
    for (const { name } of succeeded(await this.server.client().list()).vms) {
      const { snapshots } = succeeded(await this.sandbox(name).snapshots())
      listing[name] = snapshots.map((snapshot) => snapshot.snapshot_name)
    }
    return listing
  }

  async #expectLeft(layers: readonly string[]): Promise<void> {
    const { dataDirectory } = this.server
    await eventually("nothing to be left of what was destroyed", goneMs, async () => {
      const files = await this.#layerFiles()
      const below = ["memories", "templates", "scratch"].map((name) => readdir(join(dataDirectory, name)))
      const others = (await Promise.all([machineDirectories(dataDirectory), ...below])).flat()
      return files.join() === layers.join() && others.length === 0 ? true : undefined
    })
  }

  /** The layers' files, with what tells that none was touched. */
  async #layerFiles(): Promise<string[]> {
    const directory = join(this.server.dataDirectory, "layers")
    const described = (await readdir(directory)).sort().map(async (name) => {
      const file = await stat(join(directory, name))
      return `${name} ${file.size} ${file.mtimeMs}`
    })
    return Promise.all(described)
  }
}

/** Writes to the same blocks of the disk each time: what holds again what it held before is easily taken for the same. */
function flip(word: string): string {
  return `yes ${word} | head -c 65536 | dd of=flip conv=notrunc status=none`
}
