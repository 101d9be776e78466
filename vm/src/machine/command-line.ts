import type { Accelerator } from "../accelerator/accelerator.js"
import type { Durability } from "../durability.js"
import type { Image } from "../image.js"
import { guestMac, linkMtu } from "../network/guest-link.js"
import type { MachineSize } from "./size.js"

/** One file of a disk's chain and the name of its node in QEMU's block graph. */
export interface ChainLink {
  readonly node: string
  readonly path: string
}

/** Everything that decides how a machine is started. */
export interface MachineDescription extends MachineSize {
  readonly accelerator: Accelerator
  readonly image: Image
  /** The file behind the guest's memory. */
  readonly memoryFile: string
  /** Whether what the guest writes goes to that file (a template in the making) or stays private (its clones). */
  readonly memoryShared: boolean
  /** The sandbox's disk from the bottom to the writable head; at least one. */
  readonly disk: readonly [ChainLink, ...ChainLink[]]
  /** Whether the machine has a network device. */
  readonly network: boolean
  /** Whether the machine waits for a template's state instead of booting. */
  readonly incoming: boolean
  /** What the guest's syncs have to survive. */
  readonly durability: Durability
}

/** The names of a machine's files, in its own directory, which is also its working directory. */
export const machineFiles = {
  monitor: "qmp",
  agent: "agent",
  network: "network",
  pid: "pid",
  log: "log",
  /** The `id` of the template that it is a clone of. */
  template: "template",
  /** The devices as they were saved at one instant, until they are in a memory. */
  devices: "devices",
  /** The devices that it is to go on with, until it does. */
  resuming: "resuming",
} as const

/** The device that has the sandbox's disk, as QEMU's monitor calls it. */
export const sandboxDisk = "vdb"

/** The node of the image's blank disk, on which every chain rests. */
export const blankNode = "blank"

/** Kept of what the guest writes to its console: enough for a kernel's last words, and no more. */
export const consoleBytes = 64 * 1024

/** The character device behind the guest's console. */
export const consoleDevice = "console"

/**
 * Without this bound the translated code of a software-emulated machine grows by some 2 MB a command, up to a gigabyte.
 */
export const translationBufferMiB = 64

const kernelArguments = "console=ttyS0 quiet panic=-1 reboot=t mitigations=off"

/**
 * What is said to a kernel under software emulation alone.
 *
 * `norandmaps`: code is translated per address. With addresses that differ from process to process each program would be
 * translated anew at every start; with the same ones a shell starts in 18 ms instead of 57.
 *
 * `clearcpuid=cx16`: QEMU before 8.0 leaves garbage in the flags after a `cmpxchg16b` (its helper computes them from an
 * operation that is out of date). An interrupt that comes before the next operation keeps it, and the kernel panics: once
 * in some 700 starts. Without that instruction the kernel allocates memory in another way; programs still may use it.
 *
 * `tsc=reliable`: on a host that is busy the kernel would find the clock of an emulated processor unsteady, and read another
 * one from then on, which costs an exit to QEMU each time. `lsm`: the modules that no one has given a policy to do nothing but
 * take part in every system call. `psi=0`: so does the count of how long processes wait, at every switch between two.
 */
const emulationArguments = "norandmaps clearcpuid=cx16 tsc=reliable lsm=landlock,yama psi=0"

/**
 * The processor under software emulation: all that QEMU can emulate, but for what takes longer than to do without.
 *
 * `erms` says that `rep movsb` is fast, and kernel and C library then copy with it; emulated it copies a byte at a time, a
 * third as fast as they do without. `la57` is a fifth level of page tables, of no use to a guest of this size. `smap` and `pku`
 * guard the guest's memory from its own kernel and programs; each time the kernel lifts the guard and puts it back, which it does
 * around every copy from and to a program, the translated code is left.
 */
const emulatedProcessor = "max,erms=off,la57=off,smap=off,pku=off"

/**
 * The arguments of `qemu-system-x86_64` for a machine. A pure function: the same description gives the same arguments,
 * and all socket and file names that belong to the machine alone are relative to its directory.
 */
export function commandLine(machine: MachineDescription): string[] {
  return [
    ...hardware(machine),
    ...firmwareAndConsole(),
    ...baseFileSystem(machine.image),
    ...sandboxDiskChain(machine.disk, machine.durability),
    ...agentPort(),
    ...(machine.network ? networkDevice() : []),
    ...confinement(),
    // A clone never boots, and QEMU would keep the kernel in a memory of its own.
    ...(machine.incoming ? ["-incoming", "defer", "-S"] : kernel(machine)),
  ]
}

function hardware(machine: MachineDescription): string[] {
  const memory = {
    "qom-type": "memory-backend-file",
    id: "memory",
    size: machine.memoryMiB * 1024 * 1024,
    "mem-path": machine.memoryFile,
    share: machine.memoryShared,
  }
  return [
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    // A guest that reboots or panics ends; it is started again from its disk at its next use.
    "-no-reboot",
    // q35 rather than microvm: under software emulation some microvm boots never get their first timer interrupt.
    "-M",
    "q35,usb=off,sata=off,smbus=off,vmport=off,memory-backend=memory",
    "-accel",
    machine.accelerator === "tcg" ? `tcg,tb-size=${translationBufferMiB}` : machine.accelerator,
    "-cpu",
    machine.accelerator === "tcg" ? emulatedProcessor : "host",
    "-smp",
    String(machine.cpus),
    "-m",
    `${machine.memoryMiB}M`,
    "-object",
    JSON.stringify(memory),
    // A machine's saved devices are then loadable into any clone, whatever was configured at the time.
    "-global",
    "migration.send-configuration=off",
    "-object",
    "rng-random,id=entropy,filename=/dev/urandom",
    "-device",
    "virtio-rng-pci,rng=entropy",
  ]
}

function firmwareAndConsole(): string[] {
  return [
    "-bios",
    "qboot.rom",
    "-chardev",
    `ringbuf,id=${consoleDevice},size=${consoleBytes}`,
    "-serial",
    `chardev:${consoleDevice}`,
  ]
}

function kernel({ image, accelerator }: MachineDescription): string[] {
  return [
    "-kernel",
    image.kernel,
    "-initrd",
    image.initramfs,
    "-append",
    accelerator === "tcg" ? `${kernelArguments} ${emulationArguments}` : kernelArguments,
  ]
}

function baseFileSystem(image: Image): string[] {
  const base = { driver: "file", "node-name": "base", filename: image.base, "read-only": true }
  return ["-blockdev", JSON.stringify(base), "-device", "virtio-blk-pci,drive=base,id=vda"]
}

function sandboxDiskChain(chain: readonly ChainLink[], durability: Durability): string[] {
  const nodes = chain.flatMap((link, depth) => {
    const backing = chain[depth - 1]?.node ?? null
    return ["-blockdev", JSON.stringify(layerNode(link, backing, depth < chain.length - 1, durability))]
  })
  return [...nodes, "-device", `virtio-blk-pci,drive=${chain.at(-1)?.node ?? ""},id=${sandboxDisk}`]
}

/**
 * A layer as a node of the block graph.
 *
 * `no-flush`: what the guest syncs reaches the host's page cache, which outlives every process here, and not the
 * platter. That is all that the durability `process` asks for.
 *
 * @param backing The node that it rests on; null for none, whatever the file's header says.
 */
export function layerNode(
  link: ChainLink,
  backing: string | null,
  readOnly: boolean,
  durability: Durability,
): Record<string, unknown> {
  const cache = { "no-flush": durability === "process" }
  return {
    driver: "qcow2",
    "node-name": link.node,
    "read-only": readOnly,
    discard: "unmap",
    cache,
    backing,
    file: { driver: "file", filename: link.path, "read-only": readOnly, aio: "threads", cache },
  }
}

function agentPort(): string[] {
  return [
    "-chardev",
    `socket,id=agent,path=${machineFiles.agent},server=on,wait=off`,
    "-device",
    "virtio-serial-pci",
    "-device",
    "virtserialport,chardev=agent,name=opensandbox.agent",
    "-qmp",
    `unix:${machineFiles.monitor},server=on,wait=off`,
    "-pidfile",
    machineFiles.pid,
  ]
}

/**
 * A network device whose other end is a socket in the machine's directory. QEMU opens no connection for it; who is
 * connected to that socket decides what the guest reaches, and when nobody is, frames go nowhere.
 */
function networkDevice(): string[] {
  return [
    "-netdev",
    `stream,id=network,server=on,addr.type=unix,addr.path=${machineFiles.network}`,
    "-device",
    `virtio-net-pci,netdev=network,mac=${guestMac},host_mtu=${linkMtu},romfile=`,
  ]
}

/** The machine may not start programs, change its user, or loosen its own limits. */
function confinement(): string[] {
  return ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
}
