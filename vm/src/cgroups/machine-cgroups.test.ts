import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { MachineCgroups, NoCgroupsError } from "./machine-cgroups.js"
import { cgroupDirectory } from "./own-cgroup.js"

/** Stands for what the kernel shows: files that hold what was written last. */
let group: string

const server = 100
const machine = { cpus: 2, memoryMiB: 512, accelerator: "kvm" } as const

beforeEach(async () => {
  group = await mkdtemp(join(tmpdir(), "cgroup-"))
  await describeGroup("cpuset cpu io memory pids\n", `${server}\n`)
})

afterEach(() => rm(group, { recursive: true }))

async function describeGroup(controllers: string, processes: string): Promise<void> {
  await writeFile(join(group, "cgroup.controllers"), controllers)
  await writeFile(join(group, "cgroup.procs"), processes)
}

const content = (...path: string[]) => readFile(join(group, ...path), "utf8")

test("moves the server aside and has the groups of machines limit what they can", async () => {
  await MachineCgroups.open(group, server)
  expect(await content("server", "cgroup.procs")).toBe("100")
  expect(await content("cgroup.subtree_control")).toBe("+cpu +memory +pids")
  expect(await content("machines", "cgroup.subtree_control")).toBe("+cpu +memory +pids")
})

test("confines a process to what its machine takes at most", async () => {
  const cgroups = await MachineCgroups.open(group, server)
  await cgroups.confine(200, machine)
  expect(await content("machines", "200", "cpu.max")).toBe("200000 100000")
  expect(await content("machines", "200", "memory.max")).toBe(String((512 + 64) * 1024 * 1024))
  expect(await content("machines", "200", "pids.max")).toBe("130")
  expect(await content("machines", "200", "cgroup.procs")).toBe("200")
})

test("gives an emulated machine room for its translated code", async () => {
  const cgroups = await MachineCgroups.open(group, server)
  await cgroups.confine(200, { ...machine, accelerator: "tcg" })
  expect(await content("machines", "200", "memory.max")).toBe(String((512 + 64 + 64) * 1024 * 1024))
})

test("limits only what it was given the controllers of", async () => {
  await describeGroup("memory\n", `${server}\n`)
  const cgroups = await MachineCgroups.open(group, server)
  expect(cgroups.controllers).toEqual(["memory"])
  await cgroups.confine(200, machine)
  expect(await content("cgroup.subtree_control")).toBe("+memory")
  await expect(access(join(group, "machines", "200", "cpu.max"))).rejects.toThrow()
})

test("stays in a group that was made for the server, and makes those of machines beside it", async () => {
  await describeGroup("cpu memory pids\n", "")
  await mkdir(join(group, "server"))
  await MachineCgroups.open(join(group, "server"), server)
  await expect(access(join(group, "server", "cgroup.procs"))).rejects.toThrow()
  expect(await content("machines", "cgroup.subtree_control")).toBe("+cpu +memory +pids")
})

test("removes groups that nothing is in", async () => {
  await MachineCgroups.open(group, server)
  // What the kernel calls empty can be removed although it shows files; here only a directory without any.
  await mkdir(join(group, "machines", "200"))
  await mkdir(join(group, "machines", "300"))
  await writeFile(join(group, "machines", "300", "cgroup.procs"), "300")
  await (await MachineCgroups.open(group, server)).sweep()
  await expect(access(join(group, "machines", "200"))).rejects.toThrow()
  await access(join(group, "machines", "300"))
})

test.each([
  ["no controllers", "\n", "100\n", /none of the controllers/],
  ["the company of other processes", "cpu memory pids\n", "100\n101\n", /Delegate=yes/],
])("says that it cannot with %s, and leaves all as it was", async (_, controllers, processes, reason) => {
  await describeGroup(controllers, processes)
  const opening = MachineCgroups.open(group, server)
  await expect(opening).rejects.toThrow(NoCgroupsError)
  await expect(opening).rejects.toThrow(reason)
  await expect(access(join(group, "server"))).rejects.toThrow()
})

test("says so where it may not make groups", async () => {
  await expect(MachineCgroups.open(join(group, "missing"), server)).rejects.toThrow(NoCgroupsError)
})

const mount = (root: string, place: string) =>
  `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 ${root} ${place} rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw\n`

test.each([
  [
    "0::/system.slice/sandbox.service\n",
    mount("/", "/sys/fs/cgroup"),
    "/sys/fs/cgroup/system.slice/sandbox.service",
  ],
  ["4:memory:/a\n0::/\n", mount("/", "/sys/fs/cgroup/unified"), "/sys/fs/cgroup/unified"],
  ["0::/docker/1/x\n", mount("/docker/1", "/sys/fs/cgroup"), "/sys/fs/cgroup/x"],
  ["0::/elsewhere\n", mount("/docker/1", "/sys/fs/cgroup"), undefined],
  ["4:memory:/a\n", mount("/", "/sys/fs/cgroup"), undefined],
  ["0::/a\n", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", undefined],
])("finds the group of a process (%j)", (membership, mounts, directory) => {
  expect(cgroupDirectory(membership, mounts)).toBe(directory)
})
