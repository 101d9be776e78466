import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { expect, test } from "vitest"
import { checkAccelerator } from "../doctor/accelerator.js"
import { checkDataDirectory } from "../doctor/data-directory.js"
import { checkImage } from "../doctor/image.js"
import { checkMemory } from "../doctor/memory.js"
import { checkNode } from "../doctor/node-version.js"
import { checkPort } from "../doctor/port.js"
import { checkQboot, checkQemu, checkQemuImg } from "../doctor/qemu.js"
import { realHostProbe } from "../doctor/real-host-probe.js"
import { checkZstd } from "../doctor/zstd.js"
import { healthyHost, runCli } from "../testing/run-cli.js"

const nothing = () => Promise.resolve(undefined)
const GiB = 1024 ** 3

test("a host that has everything passes, with exit code 0", async () => {
  const { exitCode, stdout, stderr } = await runCli(["doctor"], { probeHost: healthyHost })
  expect([exitCode, stderr]).toEqual([0, ""])
  expect(stdout.match(/^ok /gm)).toHaveLength(10)
})

test("what is needed and fails makes the exit code 1 and names the mend", async () => {
  const { exitCode, stdout } = await runCli(["doctor"], { probeHost: { ...healthyHost, outputOf: nothing } })
  expect(exitCode).toBe(1)
  expect(stdout).toMatch(
    /^failed {3}qemu-system-x86_64 not installed\n +On Debian.*apt-get install qemu-system-x86\n/m,
  )
})

test("warnings alone leave the exit code 0; --json has it all", async () => {
  const probeHost = {
    ...healthyHost,
    accelerator: () => Promise.resolve({ accelerator: "tcg", reason: "it hangs" }),
  }
  const { exitCode, stdout } = await runCli(["doctor", "--json"], { probeHost })
  expect(exitCode).toBe(0)
  const { success, checks } = JSON.parse(stdout) as {
    success: boolean
    checks: { name: string; state: string }[]
  }
  expect(success).toBe(true)
  expect(checks).toHaveLength(10)
  expect(checks.filter(({ state }) => state === "warning").map(({ name }) => name)).toEqual([
    "virtualisation",
  ])
})

test.each([
  ["v20.19.0", "ok"],
  ["v20.18.3", "failed"],
  ["v22.0.0", "ok"],
  ["v18.20.0", "failed"],
])("Node %s is %s", (version, state) => {
  expect(checkNode({ nodeVersion: () => version }).state).toBe(state)
})

test.each([
  ["QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)\nCopyright", "ok"],
  ["QEMU emulator version 10.0.2", "ok"],
  ["QEMU emulator version 6.2.0", "failed"],
  ["nonsense", "failed"],
])("%j is %s", async (output, state) => {
  const outputOf = () => Promise.resolve(output)
  expect((await checkQemu({ outputOf })).state).toBe(state)
  expect((await checkQemuImg({ outputOf })).state).toBe(state)
})

test("qboot.rom is looked for where QEMU looks", async () => {
  const outputOf = () => Promise.resolve("/a\n/b\n")
  const found = await checkQboot({ outputOf, isReadable: (path) => Promise.resolve(path === "/b/qboot.rom") })
  expect(found).toMatchObject({ state: "ok", found: "/b/qboot.rom" })
  expect((await checkQboot({ outputOf, isReadable: () => Promise.resolve(false) })).state).toBe("failed")
  expect((await checkQboot({ outputOf: nothing, isReadable: () => Promise.resolve(true) })).state).toBe(
    "failed",
  )
})

test("a host without zstd works, but cannot export or import", async () => {
  expect(await checkZstd({ outputOf: nothing })).toMatchObject({
    state: "warning",
    found: "not installed; export and import need it",
    mend: expect.stringContaining("apt-get install zstd") as unknown,
  })
  const outputOf = () => Promise.resolve("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***\n")
  expect(await checkZstd({ outputOf })).toMatchObject({
    state: "ok",
    found: expect.stringContaining("1.5.4") as unknown,
  })
})

test("an image that was not built fails", async () => {
  expect(await checkImage({ currentImage: nothing })).toMatchObject({
    state: "failed",
    mend: expect.stringContaining("setup") as unknown,
  })
})

test.each([
  ["missing", /modprobe/],
  ["forbidden", /usermod -aG kvm/],
  ["opens", /nested/],
] as const)(
  "a /dev/kvm that is %s while guests are emulated is a warning of its own",
  async (device, mend) => {
    const probe = {
      ...healthyHost,
      kvmDevice: () => Promise.resolve(device),
      accelerator: () => Promise.resolve({ accelerator: "tcg", reason: "why" }),
    }
    for (const currentImage of [healthyHost.currentImage, ...(device === "opens" ? [] : [nothing])]) {
      expect(await checkAccelerator({ ...probe, currentImage })).toMatchObject({
        state: "warning",
        mend: expect.stringMatching(mend) as unknown,
      })
    }
  },
)

test("a /dev/kvm that opens proves nothing until a guest was booted", async () => {
  expect(await checkAccelerator({ ...healthyHost, currentImage: nothing })).toMatchObject({
    state: "warning",
  })
  const accelerator = () => Promise.reject(new Error("it hangs"))
  expect(await checkAccelerator({ ...healthyHost, accelerator })).toMatchObject({ state: "failed" })
})

test("the data directory must be writable and have room", async () => {
  const withFree = (bytes: number | undefined) =>
    checkDataDirectory({ freeBytes: () => Promise.resolve(bytes) }, "/data")
  expect((await withFree(undefined)).state).toBe("failed")
  expect((await withFree(0.1 * GiB)).state).toBe("failed")
  expect((await withFree(GiB)).state).toBe("warning")
  expect((await withFree(9 * GiB)).state).toBe("ok")
})

test("memory must suffice for a machine", () => {
  const withMemory = (bytes: number) => checkMemory({ availableMemory: () => bytes }).state
  expect([0.4, 0.9, 4].map((size) => withMemory(size * GiB))).toEqual(["failed", "warning", "ok"])
})

test("a port that is taken fails, unless an OpenSandbox server has it", async () => {
  const port = (listenError: string | undefined, answers: boolean) => {
    const probe = {
      listenError: () => Promise.resolve(listenError),
      serverAnswers: () => Promise.resolve(answers),
    }
    return checkPort(probe, "127.0.0.1", 4000)
  }
  expect((await port(undefined, false)).state).toBe("ok")
  expect((await port("EADDRINUSE", true)).state).toBe("ok")
  expect((await port("EADDRINUSE", false)).state).toBe("failed")
  expect((await port("EACCES", false)).state).toBe("failed")
})

test("the real host answers the probe's questions", async () => {
  const server = createServer((_request, response) => response.end("not JSON"))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  expect(await realHostProbe.listenError("127.0.0.1", port)).toBe("EADDRINUSE")
  expect(await realHostProbe.serverAnswers("127.0.0.1", port)).toBe(false)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect(await realHostProbe.listenError("127.0.0.1", port)).toBeUndefined()
  expect(await realHostProbe.freeBytes(`${tmpdir()}/opensandbox-none/deep`)).toBeGreaterThan(0)
  expect(await realHostProbe.outputOf("opensandbox-no-such-program", [])).toBeUndefined()
  expect(await realHostProbe.outputOf(process.execPath, ["--version"])).toContain(process.version)
  expect(await realHostProbe.isReadable("/opensandbox/none")).toBe(false)
  expect(realHostProbe.availableMemory()).toBeGreaterThan(0)
})
