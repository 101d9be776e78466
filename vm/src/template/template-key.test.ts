import { expect, test } from "vitest"
import { templateKey, type HostIdentity, type TemplateRecipe } from "./template-key.js"

const image = {
  key: "k1",
  kernel: "/a/vmlinuz",
  initramfs: "/a/initramfs",
  base: "/a/base.raw",
  blankDisk: "/a/blank.qcow2",
  blankBytes: 1 << 30,
  diskBytes: 1 << 30,
}
const recipe: TemplateRecipe = { accelerator: "kvm", image, cpus: 1, memoryMiB: 512, network: false }
const host: HostIdentity = { qemu: "7.2", processor: "p", kernel: "6.1" }

test("does not depend on where the image lies or which kernel the host runs", () => {
  const moved = { ...image, kernel: "/b/vmlinuz", base: "/b/base.raw" }
  expect(templateKey({ ...recipe, image: moved }, { ...host, kernel: "6.2" })).toBe(templateKey(recipe, host))
})

test("does not depend on how large the sandbox's own disk is", () => {
  expect(templateKey({ ...recipe, image: { ...image, diskBytes: 2 ** 31 } }, host)).toBe(
    templateKey(recipe, host),
  )
})

test.each<[string, TemplateRecipe, HostIdentity]>([
  ["image", { ...recipe, image: { ...image, key: "k2" } }, host],
  ["blank disk", { ...recipe, image: { ...image, blankBytes: 1 << 29 } }, host],
  ["processors", { ...recipe, cpus: 2 }, host],
  ["memory", { ...recipe, memoryMiB: 1024 }, host],
  ["network device", { ...recipe, network: true }, host],
  ["accelerator", { ...recipe, accelerator: "tcg" }, host],
  ["QEMU", recipe, { ...host, qemu: "8.0" }],
  ["processor", recipe, { ...host, processor: "q" }],
])("changes with the %s", (_, otherRecipe, otherHost) => {
  expect(templateKey(otherRecipe, otherHost)).not.toBe(templateKey(recipe, host))
})

test("is the same on every processor when that is emulated", () => {
  const emulated: TemplateRecipe = { ...recipe, accelerator: "tcg" }
  expect(templateKey(emulated, { ...host, processor: "q" })).toBe(templateKey(emulated, host))
})
