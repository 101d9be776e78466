import { mkdir, open, rm, statfs } from "node:fs/promises"
import { join } from "node:path"
import { runOnHost, runProgram } from "./host-program.js"
import { MountedFile } from "./mounted-file.js"
import { Unavailable, type Peer } from "./peer.js"

const fileSystemBytes = 10 * 1024 ** 3

/** A subvolume of a btrfs file system. */
export class BtrfsSubvolume implements Peer {
  readonly name = "btrfs subvolume snapshot"
  readonly about =
    "Commands run on the host, in a subvolume of a btrfs file system in a file. A snapshot is " +
    "`btrfs subvolume snapshot -r`: the directory with all that belongs to its files, on the disk itself and not only " +
    "in the page cache. A restore deletes the subvolume and makes it anew from the snapshot; no process is ended."
  readonly #directory: string
  readonly #file: string
  readonly #mounted: MountedFile
  readonly #place: string
  #snapshots = 0

  /** @param directory Everything is in it. */
  constructor(directory: string) {
    this.#directory = directory
    this.#file = join(directory, "disk.raw")
    this.#mounted = new MountedFile(this.#file, join(directory, "mounted"), ["noatime"])
    this.#place = join(this.#mounted.path, "place")
  }

  async prepare(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    await this.#format()
    await this.#mounted.mount()
    await btrfs("create", this.#place)
  }

  step(command: string): Promise<string> {
    return runOnHost(this.#place, command)
  }

  async snapshot(): Promise<string> {
    const snapshot = join(this.#mounted.path, `snapshot-${++this.#snapshots}`)
    await btrfs("snapshot", "-r", this.#place, snapshot)
    return snapshot
  }

  async restore(snapshot: string): Promise<void> {
    await btrfs("delete", this.#place)
    await btrfs("snapshot", snapshot, this.#place)
  }

  async bytes(): Promise<number> {
    await this.#mounted.sync()
    const { blocks, bfree, bsize } = await statfs(this.#mounted.path)
    return (blocks - bfree) * bsize
  }

  async close(): Promise<void> {
    await this.#mounted.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #format(): Promise<void> {
    const file = await open(this.#file, "w")
    await file.truncate(fileSystemBytes)
    await file.close()
    try {
      await runProgram("mkfs.btrfs", ["--quiet", this.#file])
    } catch (error) {
      throw new Unavailable("there is no mkfs.btrfs: install btrfs-progs", { cause: error })
    }
  }
}

async function btrfs(...args: string[]): Promise<void> {
  await runProgram("btrfs", ["subvolume", ...args])
}
