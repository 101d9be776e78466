import { createHash } from "node:crypto"
import type { Snapshot } from "opensandbox"
import { expect } from "vitest"
import { eventually } from "../support/eventually.js"
import { layerFiles } from "../support/layer-files.js"
import { failed, succeeded } from "../support/results.js"
import type { TestServer } from "../support/server.js"
import { listCommand, listing, type Change } from "./file-tree.js"
import { SandboxModel, type ModelSnapshot } from "./sandbox-model.js"
import { picked, type Action, type Reference, type Step } from "./step.js"

/** More sandboxes than these there are never; the visits at the end take a while. */
const maxBoxes = 4

/** How long what the server does in the background may take. */
const backgroundMs = 30_000

/** A file of the guest that is in its memory alone. */
const markFile = "/dev/shm/mark"

const lookCommand = `${listCommand}; if [ -e ${markFile} ]; then cat ${markFile}; fi`

/** A sandbox and what it should be. */
interface Box {
  readonly name: string
  readonly model: SandboxModel
}

/** Sandboxes of a server, each beside a model of it, that are driven by steps and compared. */
export class World {
  readonly #server: TestServer
  #boxes: readonly Box[] = []
  #forks = 0
  #marks = 0

  constructor(server: TestServer) {
    this.#server = server
  }

  /** Makes a step, then compares what all sandboxes list with what they should. */
  async take(step: Step): Promise<void> {
    if (this.#boxes.length === 0) await this.#create()
    await this.#do(step.action, picked(this.#boxes, step.box))
    for (const box of this.#boxes) await this.#compareSnapshots(box)
  }

  /** Visits every snapshot of every sandbox, destroys them one after the other, and sees that nothing is left. */
  async end(): Promise<void> {
    for (const box of this.#boxes) {
      await this.#look(box)
      for (let place = box.model.snapshots.length - 1; place >= 0; place--) {
        succeeded(await this.#server.sandbox(box.name).restore(box.model.at(place).name))
        box.model.wentBackTo(place)
        await this.#look(box)
      }
      await this.#compareSnapshots(box)
      await this.#destroy(box)
    }
    await eventually("no layer to be left", backgroundMs, async () =>
      (await layerFiles(this.#server.dataDirectory)).length === 0 ? true : undefined,
    )
    expect(this.#server.machines()).toEqual([])
  }

  #do(action: Action, box: Box): Promise<void> {
    switch (action.kind) {
      case "run":
        return this.#run(box, action.change, action.recorded)
      case "wipe":
        return this.#wipe(box)
      case "remember":
        return this.#remember(box, String(action.mark))
      case "snapshot":
        return this.#snapshot(box, action.label, action.memory)
      case "restore":
        return this.#restore(box, action.to, action.keep)
      case "undo":
        return this.#undo(box)
      case "delete":
        return this.#delete(box, action.snapshot)
      case "fork":
        return this.#fork(box, action.from, action.memory)
      case "keep-last":
        return this.#keepLast(box, action.count)
      case "pause":
        return this.#pause(box, action.thenWake)
      case "destroy":
        return this.#destroy(box)
      case "restart":
        return this.#restart(action.inOrder)
    }
  }

  async #run({ name, model }: Box, { command, exitCode, apply }: Change, recorded: boolean): Promise<void> {
    // One command changes and looks, because each command is a machine's time.
    const whole = `${command}; code=$?; ${lookCommand}; exit $code`
    const result = succeeded(await this.#server.sandbox(name).run(whole, { snapshot: recorded }))
    model.tree = apply(model.tree)
    expect(result).toMatchObject({ stdout: seen(model), stderr: "", exitCode })
    expect(result.snapshot !== null).toBe(recorded)
    if (result.snapshot !== null) model.took(result.snapshot)
  }

  async #wipe(box: Box): Promise<void> {
    succeeded(await this.#server.sandbox(box.name).wipe())
    box.model.tree = new Map()
    await this.#look(box)
  }

  /** Has the machine keep something in nothing but its memory. */
  async #remember({ name, model }: Box, mark: string): Promise<void> {
    succeeded(await this.#server.sandbox(name).run(`echo ${mark} > ${markFile}`, { snapshot: false }))
    model.mark = `${mark}\n`
  }

  async #snapshot({ name, model }: Box, label: string | undefined, memory: boolean): Promise<void> {
    const result = await this.#server.sandbox(name).snapshot(label, { memory })
    if (label !== undefined && model.hasLabel(label)) expect(failed(result).code).toBe("already_exists")
    else model.took(succeeded(result).snapshot.snapshot_name, label, memory)
  }

  async #restore(box: Box, to: Reference, keep: boolean): Promise<void> {
    const { name, model } = box
    const { place, reference } = this.#meant(box, to)
    if (keep) await this.#makeRoom(box)
    const { kept, degraded } = succeeded(await this.#server.sandbox(name).restore(reference, { keep }))
    expect(kept !== undefined).toBe(keep)
    expect(degraded).toBeUndefined()
    if (kept !== undefined) await this.#adopt({ name: kept, model: model.copy() })
    model.wentBackTo(place)
    await this.#look(box)
  }

  async #undo(box: Box): Promise<void> {
    const { name, model } = box
    const before = model.snapshots.length - 2
    const result = await this.#server.sandbox(name).undo()
    if (before < 0) {
      expect(failed(result).code).toBe("not_found")
    } else {
      expect(succeeded(result).snapshot).toBe(model.at(before).name)
      model.wentBackTo(before)
      await this.#look(box)
    }
  }

  async #delete(box: Box, snapshot: Reference): Promise<void> {
    const { place, reference } = this.#meant(box, snapshot)
    const result = await this.#server.sandbox(box.name).deleteSnapshot(reference)
    if (place === 0) {
      expect(failed(result).code).toBe("invalid_request")
    } else {
      succeeded(result)
      box.model.deleted(place)
    }
  }

  async #fork(box: Box, from: Reference | undefined, memory: boolean): Promise<void> {
    await this.#makeRoom(box)
    const target = from && this.#meant(box, from)
    const name = `fork-${(this.#forks += 1)}`
    const options = { snapshot: target?.reference, memory }
    const result = await this.#server.sandbox(box.name).fork(name, options)
    const begin = target && box.model.at(target.place)
    if (memory && begin?.mark === null) {
      expect(failed(result).code).toBe("invalid_request")
      return
    }
    succeeded(result)
    const model = target ? box.model.forkAt(target.place) : box.model.fork()
    if (memory) model.mark = begin?.mark ?? box.model.mark
    await this.#adopt({ name, model }, memory)
  }

  async #keepLast({ name, model }: Box, count: number | null): Promise<void> {
    succeeded(await this.#server.sandbox(name).setRetention({ keep_last: count }))
    model.keepsLast(count)
  }

  /** Pauses a sandbox that has a file in memory, which must be there again when it wakes. */
  async #pause(box: Box, thenWake: boolean): Promise<void> {
    await this.#remember(box, String((this.#marks += 1)))
    const { vm } = succeeded(await this.#server.sandbox(box.name).pause())
    expect(vm.status).toBe("paused")
    if (thenWake) await this.#look(box)
  }

  async #restart(inOrder: boolean): Promise<void> {
    const { vms } = succeeded(await this.#server.client().list())
    const paused = new Set(vms.filter(({ status }) => status === "paused").map(({ name }) => name))
    if (!inOrder) await this.#server.kill()
    await this.#server.restart()
    if (!inOrder) return
    for (const { name, model } of this.#boxes) if (!paused.has(name)) model.mark = ""
  }

  async #create(): Promise<void> {
    const { name } = await this.#server.create()
    this.#boxes = [{ name, model: SandboxModel.new() }]
  }

  async #destroy(box: Box): Promise<void> {
    succeeded(await this.#server.sandbox(box.name).destroy())
    this.#boxes = this.#boxes.filter((each) => each !== box)
  }

  /** Destroys a sandbox if there are as many as there may be, and not that one. */
  async #makeRoom(except: Box): Promise<void> {
    const [other] = this.#boxes.filter((box) => box !== except)
    if (this.#boxes.length >= maxBoxes && other !== undefined) await this.#destroy(other)
  }

  /**
   * Drives a fork from now on. If what its origin was is in none of the snapshots, the fork has one more, of that; the
   * model cannot tell whether files that are the same were written again.
   */
  async #adopt(fork: Box, memory = false): Promise<void> {
    const { model } = fork
    const { snapshots } = succeeded(await this.#server.sandbox(fork.name).snapshots())
    const before = new Set(model.snapshots.map((snapshot) => snapshot.name))
    const more = snapshots.filter((snapshot) => !before.has(snapshot.snapshot_name))
    const changed = listing(model.tree, sha256) !== listing(model.newest.tree, sha256)
    expect(more.length).toBeGreaterThanOrEqual(changed ? 1 : 0)
    expect(more.length).toBeLessThanOrEqual(1)
    for (const { snapshot_name: name } of more) {
      expect(name).toMatch(/^fork_\d+$/)
      model.took(name, null, memory)
    }
    this.#boxes = [...this.#boxes, fork]
  }

  /** Compares the files with those of the model. */
  async #look({ name, model }: Box): Promise<void> {
    const result = succeeded(await this.#server.sandbox(name).run(lookCommand, { snapshot: false }))
    expect(result).toMatchObject({ stdout: seen(model), stderr: "", exitCode: 0 })
  }

  async #compareSnapshots({ name, model }: Box): Promise<void> {
    const sandbox = this.#server.sandbox(name)
    const listed = await eventually("expired snapshots to be gone", backgroundMs, async () => {
      const { snapshots } = succeeded(await sandbox.snapshots())
      return snapshots.length <= model.snapshots.length ? snapshots : undefined
    })
    expect(listed.map(shown)).toEqual(model.snapshots.map(expected))
  }

  /** Which of its snapshots is meant, and what to call it. */
  #meant({ model }: Box, { place: pick, byLabel }: Reference): { place: number; reference: string } {
    const snapshot = picked(model.snapshots, pick)
    const reference = byLabel && snapshot.label !== null ? snapshot.label : snapshot.name
    return { place: model.snapshots.indexOf(snapshot), reference }
  }
}

/** What is compared of a snapshot that the server lists. */
function shown({ snapshot_name, label, parent, kind, damaged, degraded }: Snapshot) {
  return { snapshot_name, label, parent, kind, damaged, degraded }
}

function expected({ name, label, mark }: ModelSnapshot, at: number, all: readonly ModelSnapshot[]) {
  const kind = mark === null ? "disk" : "machine"
  const parent = all[at - 1]?.name ?? null
  return { snapshot_name: name, label, parent, kind, damaged: false, degraded: false }
}

/** What {@link lookCommand} prints. */
function seen({ tree, mark }: SandboxModel): string {
  return `${listing(tree, sha256)}${mark}`
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
