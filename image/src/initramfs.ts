import { chmod, copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { runCommand } from "./command.js"

/** Raise it when the same inputs shall give another initramfs. */
export const initramfsVersion = 1

/**
 * Packs the agent as /init and the kernel modules as /modules, the same bytes for the same input.
 * @param scratch a directory that need not exist and is removed
 */
export async function writeInitramfs(
  {
    agentBinary,
    modulesDirectory,
    target,
  }: { agentBinary: string; modulesDirectory: string; target: string },
  scratch: string,
): Promise<void> {
  const modules = (await readdir(modulesDirectory)).sort()
  await mkdir(join(scratch, "modules"), { recursive: true })
  await copyFile(agentBinary, join(scratch, "init"))
  for (const module of modules) {
    await copyFile(join(modulesDirectory, module), join(scratch, "modules", module))
  }
  const files = ["init", ...modules.map((module) => join("modules", module))]
  for (const file of files) await chmod(join(scratch, file), file === "init" ? 0o755 : 0o644)
  for (const path of [...files, "modules"]) await utimes(join(scratch, path), 0, 0)

  const archive = join(scratch, "initramfs.cpio")
  await runCommand(
    "cpio",
    ["--create", "--format=newc", "--reproducible", "--owner=0:0", "--quiet", `--file=${archive}`],
    { minutes: 1, cwd: scratch, input: ["modules", ...files].join("\n") },
  )
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, await promisify(gzip)(await readFile(archive), { level: 9 }))
  await rm(scratch, { recursive: true })
}
