import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { afterEach, beforeEach, expect, test } from "vitest"
import { emptyQcow2 } from "./empty-qcow2.js"

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "qcow2-"))
})

afterEach(() => rm(directory, { recursive: true }))

/** What QEMU says of a file, but for what differs between any two. */
async function info(file: string): Promise<Map<string, unknown>> {
  const { stdout } = await execa("qemu-img", ["info", "--output=json", join(directory, file)])
  const facts = new Map(Object.entries(JSON.parse(stdout) as Record<string, unknown>))
  facts.delete("actual-size")
  facts.delete("filename")
  return facts
}

test.each([
  ["the sandbox's disk", 10 * 2 ** 30, 14],
  ["a disk of a terabyte", 2 ** 40, 14],
  ["a disk that is no whole number of clusters", 3 * 2 ** 20 + 512, 16],
])("makes what QEMU itself would make for %s", async (_, size, clusterBits) => {
  const { length, pieces } = emptyQcow2(size, clusterBits, "below.qcow2")
  const bytes = Buffer.alloc(length)
  for (const piece of pieces) piece.bytes.copy(bytes, piece.offset)
  await writeFile(join(directory, "ours.qcow2"), bytes)
  const below = ["-u", "-b", "below.qcow2", "-F", "qcow2", "-o", `cluster_size=${2 ** clusterBits}`]
  await execa("qemu-img", [
    "create",
    "-q",
    "-f",
    "qcow2",
    ...below,
    join(directory, "theirs.qcow2"),
    `${size}`,
  ])
  expect(await info("ours.qcow2")).toEqual(await info("theirs.qcow2"))

  await execa("qemu-img", ["create", "-q", "-f", "qcow2", join(directory, "below.qcow2"), `${size}`])
  const check = await execa("qemu-img", ["check", "--output=json", join(directory, "ours.qcow2")])
  expect(JSON.parse(check.stdout)).toMatchObject({ "check-errors": 0 })
  expect(check.stdout).not.toMatch(/leaks|corruptions/)
  await execa("qemu-io", ["-c", "write -P 7 1M 64k", "-c", "read -P 7 1M 64k", join(directory, "ours.qcow2")])
  await execa("qemu-img", ["check", "-q", join(directory, "ours.qcow2")])
})
