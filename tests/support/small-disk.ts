import { mkdtemp, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exec } from "./cli.js"

/** A file system of a few megabytes, to be filled. Only root can make one. */
export class SmallDisk {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static readonly possible = process.getuid?.() === 0

  static async make(bytes: number): Promise<SmallDisk> {
    const disk = new SmallDisk(await mkdtemp(join(tmpdir(), "osb-disk-")))
    await succeed("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "tmpfs", disk.path])
    return disk
  }

  /** Makes it larger or smaller, with all that is on it. */
  async resize(bytes: number): Promise<void> {
    await succeed("mount", ["-o", `remount,size=${bytes}`, this.path])
  }

  async dispose(): Promise<void> {
    await succeed("umount", [this.path])
    await rmdir(this.path)
  }
}

async function succeed(program: string, args: string[]): Promise<void> {
  const { code, stderr } = await exec(program, args)
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`)
}
