import { expect, test } from "vitest"
import { commandLine, layerNode, type MachineDescription } from "./command-line.js"

const clone: MachineDescription = {
  accelerator: "tcg",
  image: {
    key: "k",
    kernel: "/i/vmlinuz",
    initramfs: "/i/initramfs",
    base: "/i/base.raw",
    blankDisk: "/i/blank.qcow2",
    blankBytes: 1 << 30,
    diskBytes: 1 << 30,
  },
  cpus: 1,
  memoryMiB: 512,
  memoryFile: "/t/memory",
  memoryShared: false,
  disk: [
    { node: "blank", path: "/i/blank.qcow2" },
    { node: "l1", path: "/l/l1.qcow2" },
    { node: "l2", path: "/l/l2.qcow2" },
  ],
  network: false,
  incoming: true,
  durability: "process",
}

/** The values that follow each occurrence of an option. */
function values(args: string[], option: string): string[] {
  return args.flatMap((arg, at) => (arg === option ? [args[at + 1] ?? ""] : []))
}

function nodes(args: string[]) {
  return values(args, "-blockdev").map((json) => JSON.parse(json) as Record<string, unknown>)
}

test("stacks the layers: each rests on the one below, and only the head can be written", () => {
  const chain = nodes(commandLine(clone)).filter((node) => node["driver"] === "qcow2")
  expect(chain.map((node) => [node["node-name"], node["backing"], node["read-only"]])).toEqual([
    ["blank", null, true],
    ["l1", "blank", true],
    ["l2", "l1", false],
  ])
  expect(values(commandLine(clone), "-device")).toContain("virtio-blk-pci,drive=l2,id=vdb")
})

test("gives the base to the guest for reading only", () => {
  expect(nodes(commandLine(clone)).find((node) => node["node-name"] === "base")).toMatchObject({
    "read-only": true,
  })
})

test("lets the machine start no programs and reach no network", () => {
  const args = commandLine(clone)
  expect(values(args, "-sandbox")).toEqual([
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  ])
  expect(args).toContain("-nodefaults")
  expect(args.join(" ")).not.toMatch(/netdev|virtio-net/)
})

test("gives a machine that is to have one a network device that ends at a socket, and confines it no less", () => {
  const args = commandLine({ ...clone, network: true })
  expect(values(args, "-netdev")).toEqual(["stream,id=network,server=on,addr.type=unix,addr.path=network"])
  expect(values(args, "-device").filter((device) => device.startsWith("virtio-net-pci"))).toHaveLength(1)
  expect(values(args, "-sandbox")).toEqual(values(commandLine(clone), "-sandbox"))
})

test("emulates any processor in bounded memory, and passes the host's own through", () => {
  expect(values(commandLine(clone), "-accel")).toEqual(["tcg,tb-size=64"])
  expect(values(commandLine(clone), "-cpu")).toEqual(["max,erms=off,la57=off,smap=off,pku=off"])
  const fast = commandLine({ ...clone, accelerator: "kvm" })
  expect([values(fast, "-accel"), values(fast, "-cpu")]).toEqual([["kvm"], ["host"]])
})

const template = { ...clone, memoryShared: true, incoming: false }

test("keeps addresses random where that costs nothing", () => {
  expect(values(commandLine(template), "-append")[0]).toMatch(
    / norandmaps clearcpuid=cx16 tsc=reliable lsm=landlock,yama psi=0$/,
  )
  expect(values(commandLine({ ...template, accelerator: "kvm" }), "-append")[0]).not.toMatch(
    /norandmaps|cx16|tsc|lsm|psi/,
  )
})

test("differs between a template in the making and its clones in nothing that the guest can see", () => {
  const booting = commandLine(template)
  const machine = booting.slice(0, booting.indexOf("-kernel"))
  const shared = machine.map((arg) => arg.replace('"share":true', '"share":false'))
  expect(commandLine(clone)).toEqual([...shared, "-incoming", "defer", "-S"])
  expect(booting.slice(machine.length)).toEqual([
    ...["-kernel", "/i/vmlinuz", "-initrd", "/i/initramfs", "-append"],
    expect.stringContaining("console=ttyS0"),
  ])
})

test("keeps file names with commas in one piece", () => {
  const node = layerNode({ node: "l1", path: "/a,b/l1.qcow2" }, null, true, "process")
  expect(node).toMatchObject({ file: { filename: "/a,b/l1.qcow2" } })
})

test("lets the guest's flushes through to the platter when its snapshots shall survive a loss of power", () => {
  const flushes = (durability: "process" | "disk") =>
    nodes(commandLine({ ...clone, durability }))
      .filter((node) => node["driver"] === "qcow2")
      .map((node) => [node["cache"], (node["file"] as Record<string, unknown>)["cache"]])
  expect(
    new Set(
      flushes("disk")
        .flat()
        .map((cache) => JSON.stringify(cache)),
    ),
  ).toEqual(new Set(['{"no-flush":false}']))
  expect(
    new Set(
      flushes("process")
        .flat()
        .map((cache) => JSON.stringify(cache)),
    ),
  ).toEqual(new Set(['{"no-flush":true}']))
})
