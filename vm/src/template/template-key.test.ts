import { expect, test } from "vitest"
import { templateKey, type HostIdentity, type TemplateRecipe } from "./template-key.js"

const image = {
  key: "k1",
  kernel: "/a/vmlinuz",
  initramfs: "/a/initramfs",
  base: "/a/base.raw",
  blankDisk: "/a/blank.qcow2",
  diskBytes: 1 << 30,
}
const recipe: TemplateRecipe = { accelerator: "kvm", image, memoryMiB: 512, network: false }
const host: HostIdentity = { qemu: "7.2", processor: "p", kernel: "6.1" }

test("does not depend on where the image lies or which kernel the host runs", () => {
  const moved = { ...image, kernel: "/b/vmlinuz", base: "/b/base.raw" }
  expect(templateKey({ ...recipe, image: moved }, { ...host, kernel: "6.2" })).toBe(templateKey(recipe, host))
})

test.each<[string, TemplateRecipe, HostIdentity]>([
  ["image", { ...recipe, image: { ...image, key: "k2" } }, host],
  ["disk size", { ...recipe, image: { ...image, diskBytes: 1 << 29 } }, host],
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
