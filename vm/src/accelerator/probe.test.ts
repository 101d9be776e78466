import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { probeAccelerator } from "./probe.js"
import { rememberChoice, rememberedChoice } from "./remembered-choice.js"

const host = { qemu: "7.2", processor: "p", kernel: "6.1" }
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "probe-"))
})

afterEach(() => rm(directory, { recursive: true }))

test("uses the processor when the guest boots on it", async () => {
  const device = join(directory, "kvm")
  await writeFile(device, "")
  const tried: string[] = []
  const choice = await probeAccelerator((accelerator) => {
    tried.push(accelerator)
    return Promise.resolve()
  }, device)
  expect(choice).toEqual({ accelerator: "kvm", reason: "" })
  expect(tried).toEqual(["kvm"])
})

test("finds out a device that opens and does not run a guest", async () => {
  const device = join(directory, "kvm")
  await writeFile(device, "")
  const choice = await probeAccelerator(() => Promise.reject(new Error("it never came up")), device)
  expect(choice.accelerator).toBe("tcg")
  expect(choice.reason).toMatch(/opens but does not run a guest: .*it never came up/)
})

test("says that the device is not there, without a try", async () => {
  const choice = await probeAccelerator(() => Promise.reject(new Error("tried")), join(directory, "none"))
  expect(choice).toEqual({ accelerator: "tcg", reason: `${join(directory, "none")} does not exist` })
})

test("remembers the answer for this host as it is, and no other", async () => {
  const file = join(directory, "accelerator.json")
  expect(await rememberedChoice(file, host)).toBeUndefined()
  await rememberChoice(file, host, { accelerator: "tcg", reason: "r" })
  expect(await rememberedChoice(file, host)).toEqual({ accelerator: "tcg", reason: "r" })
  expect(await rememberedChoice(file, { ...host, kernel: "6.2" })).toBeUndefined()
  await writeFile(file, "{")
  expect(await rememberedChoice(file, host)).toBeUndefined()
})
