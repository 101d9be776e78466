import { readFile } from "node:fs/promises"
import { resolve } from "node:path"

/** The directory of this process's own control group; undefined where the host has no cgroup v2. */
export async function ownCgroup(): Promise<string | undefined> {
  const [membership, mounts] = await Promise.all([
    readFile("/proc/self/cgroup", "utf8"),
    readFile("/proc/self/mountinfo", "utf8"),
  ])
  return cgroupDirectory(membership, mounts)
}

/**
 * Where the kernel shows a process's group of the unified hierarchy; see cgroups(7) and proc(5).
 *
 * @param membership Its `/proc/PID/cgroup`.
 * @param mounts Its `/proc/PID/mountinfo`.
 */
export function cgroupDirectory(membership: string, mounts: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(membership)?.[1]
  // Fields that may be any number end with a lone hyphen, after which the kind of file system follows.
  const mount = /^\d+ \d+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(mounts)
  const [, root = "/", place] = mount ?? []
  if (path === undefined || place === undefined) return undefined
  // In a container the mount may show a group further down as its top.
  if (root !== "/" && path !== root && !path.startsWith(`${root}/`)) return undefined
  return resolve(place, `.${root === "/" ? path : path.slice(root.length)}`)
}
