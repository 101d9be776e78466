import { rm } from "node:fs/promises"
import type { Accelerator, Image } from "@opensandbox/vm"
import { allocatedBytes } from "../allocated-bytes.js"
import { LoneMachine } from "../lone-machine.js"
import type { Peer } from "./peer.js"

/** QEMU's own snapshots of a whole machine. */
export class SnapshotSave implements Peer {
  readonly name = "QEMU's snapshot-save"
  readonly about =
    "Commands run in a machine like a sandbox's (512 MiB of memory), on a single qcow2 file. A snapshot is the job " +
    "`snapshot-save`: the whole machine with its memory, which stands still meanwhile. A restore is `snapshot-load`: " +
    "processes go on where they were."
  readonly #directory: string
  readonly #image: Image
  readonly #accelerator: Accelerator
  #machine: Promise<LoneMachine> | undefined
  #snapshots = 0
  #forgottenBytes = 0

  /** @param directory Everything is in it. */
  constructor(directory: string, image: Image, accelerator: Accelerator) {
    this.#directory = directory
    this.#image = image
    this.#accelerator = accelerator
  }

  async prepare(): Promise<void> {
    this.#machine = LoneMachine.boot(this.#directory, this.#image, this.#accelerator)
    await this.#machine
  }

  async step(command: string): Promise<string> {
    return (await this.#booted()).run(command)
  }

  async snapshot(): Promise<string> {
    const tag = `snapshot-${++this.#snapshots}`
    await (await this.#booted()).save(tag)
    return tag
  }

  async restore(tag: string): Promise<void> {
    await (await this.#booted()).load(tag)
  }

  async forget(tag: string): Promise<void> {
    const before = await this.bytes()
    await (await this.#booted()).delete(tag)
    this.#forgottenBytes += before - (await this.bytes())
  }

  async bytes(): Promise<number> {
    const { disk } = await this.#booted()
    return (await allocatedBytes(disk)) + this.#forgottenBytes
  }

  async close(): Promise<void> {
    // One that did not come up has ended already.
    const machine = await this.#machine?.catch(() => undefined)
    this.#machine = undefined
    await machine?.kill()
    await rm(this.#directory, { recursive: true, force: true })
  }

  #booted(): Promise<LoneMachine> {
    if (this.#machine === undefined) throw new Error("the machine was not prepared")
    return this.#machine
  }
}
