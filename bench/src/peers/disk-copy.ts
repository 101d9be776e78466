import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { allocatedBytes } from "../allocated-bytes.js"
import { runOnHost, runProgram } from "./host-program.js"
import { MountedFile } from "./mounted-file.js"
import type { Peer } from "./peer.js"

/** A copy of the whole disk for each step. */
export class DiskCopy implements Peer {
  readonly name = "full copy of the disk"
  readonly about =
    "Commands run on the host, on an ext4 file system in a file, the same 10 GiB disk as a sandbox's. A snapshot is " +
    "`sync` and `cp --reflink=auto --sparse=always` of that file: all that is on the disk, once for each step. A " +
    "restore copies it back and mounts it."
  readonly #blankDisk: string
  readonly #directory: string
  /** Holds the disk and its copies. */
  readonly #disks: string
  readonly #disk: string
  readonly #mounted: MountedFile
  readonly #place: string
  #copies = 0
  #forgottenBytes = 0

  /**
   * @param directory Everything is in it.
   * @param blankDisk A formatted disk (qcow2) to begin with.
   */
  constructor(directory: string, blankDisk: string) {
    this.#directory = directory
    this.#blankDisk = blankDisk
    this.#disks = join(directory, "disks")
    this.#disk = join(this.#disks, "disk.raw")
    // Without the second it goes on formatting in the background.
    this.#mounted = new MountedFile(this.#disk, join(directory, "mounted"), ["noatime", "noinit_itable"])
    this.#place = join(this.#mounted.path, "place")
  }

  async prepare(): Promise<void> {
    await mkdir(this.#disks, { recursive: true })
    await runProgram("qemu-img", ["convert", "-O", "raw", this.#blankDisk, this.#disk])
    await this.#mounted.mount()
    await mkdir(this.#place)
  }

  step(command: string): Promise<string> {
    return runOnHost(this.#place, command)
  }

  async snapshot(): Promise<string> {
    const copy = join(this.#disks, `copy-${++this.#copies}.raw`)
    await this.#mounted.sync()
    await copyDisk(this.#disk, copy)
    return copy
  }

  async restore(copy: string): Promise<void> {
    await this.#mounted.unmount()
    await copyDisk(copy, this.#disk)
    await this.#mounted.mount()
  }

  async forget(copy: string): Promise<void> {
    this.#forgottenBytes += await allocatedBytes(copy)
    await rm(copy)
  }

  async bytes(): Promise<number> {
    return (await allocatedBytes(this.#disks)) + this.#forgottenBytes
  }

  async close(): Promise<void> {
    await this.#mounted.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

async function copyDisk(from: string, to: string): Promise<void> {
  await runProgram("cp", ["--reflink=auto", "--sparse=always", from, to])
}
