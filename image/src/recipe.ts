import { createHash } from "node:crypto"

/** Debian releases to build from, the preferred one first: a mirror need not carry the newest. */
export const suites = ["trixie", "bookworm"] as const
export type Suite = (typeof suites)[number]

/** What a sandbox offers from its first command on. */
export const packages = [
  "bash",
  "ca-certificates",
  "curl",
  "gcc",
  "git",
  "iproute2",
  "jq",
  "libc6-dev",
  "make",
  "nodejs",
  "npm",
  "openssh-sftp-server",
  "procps",
  "python3",
  "ripgrep",
  "rsync",
  "sudo",
]

/** Depends on the kernel package of the day. */
export const kernelMetaPackage = "linux-image-cloud-amd64"

/** Kernel modules the agent loads, each after those it rests on. One that the kernel has built in is left out. */
export const modules = [
  "virtio_ring",
  "virtio",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_console",
  "virtio_blk",
  "failover",
  "net_failover",
  "virtio_net",
  "overlay",
  "virtio-rng",
]

/** Size of every sandbox's disk in bytes. */
export const diskBytes = 10 * 1024 ** 3

/** Files that no one reads in a sandbox: manuals, translations, package documentation. */
export const excludedPaths = [
  "/usr/share/man/*",
  "/usr/share/locale/*",
  "/usr/share/info/*",
  "/usr/share/lintian/*",
  "/usr/share/doc/*",
]

/** A short name for all that goes into something: the same parts, and only they, give the same key. */
export function keyOf(parts: Readonly<Record<string, unknown>>): string {
  const sorted = Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 20)
}
