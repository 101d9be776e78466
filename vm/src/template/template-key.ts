import { createHash } from "node:crypto"
import { readFile, stat } from "node:fs/promises"
import { execa } from "execa"
import type { Accelerator } from "../accelerator/accelerator.js"
import type { Image } from "../image.js"
import { commandLine } from "../machine/command-line.js"
import { qemu } from "../machine/process.js"
import type { MachineSize } from "../machine/size.js"

/** What a template is made from, apart from the host it is made on. */
export interface TemplateRecipe extends MachineSize {
  readonly accelerator: Accelerator
  readonly image: Image
  /** Whether its clones have a network device. */
  readonly network: boolean
}

/** The host's share in a template: state that is saved by one QEMU on one processor may not load into another. */
export interface HostIdentity {
  /** QEMU's version and build. */
  readonly qemu: string
  /** The processor's model and features. */
  readonly processor: string
  /** The kernel's release. */
  readonly kernel: string
}

/**
 * Names a template by everything that goes into it, so that a change of any of them makes a new one and a template
 * that is found by its key always fits. File names are left out: the image is named by its key.
 */
export function templateKey(recipe: TemplateRecipe, host: HostIdentity): string {
  const args = commandLine({
    ...recipe,
    image: { ...recipe.image, kernel: "kernel", initramfs: "initramfs", base: "base", blankDisk: "blank" },
    memoryFile: "memory",
    memoryShared: true,
    disk: [{ node: "placeholder", path: "placeholder" }],
    incoming: false,
    // It says how the host keeps the disk's files, which a template knows nothing of.
    durability: "process",
  })
  const hash = createHash("sha256")
  // Software emulation makes the same processor on every host.
  const processor = recipe.accelerator === "tcg" ? "" : host.processor
  hash.update(JSON.stringify([recipe.image.key, recipe.image.blankBytes, args, host.qemu, processor]))
  return hash.digest("hex").slice(0, 32)
}

/** @throws Error that says what to install when QEMU is missing. */
export async function identifyHost(): Promise<HostIdentity> {
  const [version, cpu, kernel] = await Promise.all([
    qemuBuild(),
    readFile("/proc/cpuinfo", "utf8"),
    kernelRelease(),
  ])
  const fields = ["vendor_id", "cpu family", "model", "model name", "stepping", "flags"]
  const processor = fields
    .map((field) => new RegExp(`^${field}\\s*:\\s*(.*)$`, "m").exec(cpu)?.[1] ?? "")
    .join("|")
  return { qemu: version, processor, kernel }
}

async function kernelRelease(): Promise<string> {
  return (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim()
}

async function qemuBuild(): Promise<string> {
  try {
    const { stdout } = await execa(qemu, ["--version"], { timeout: 10_000, stdin: "ignore" })
    const program = await execa("sh", ["-c", `command -v ${qemu}`], { timeout: 10_000, stdin: "ignore" })
    const { size, mtimeMs } = await stat(program.stdout)
    return `${stdout.split("\n")[0] ?? ""} ${size} ${mtimeMs}`
  } catch (error) {
    throw new Error(`${qemu} does not run: install it (Debian: apt-get install qemu-system-x86)`, {
      cause: error,
    })
  }
}
