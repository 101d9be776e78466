import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import type { Keyring } from "../server-package.js"
import { runCli } from "../testing/run-cli.js"

const created_at = "2026-01-02T03:04:05.678Z"
let directory: string
let calls: unknown[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "opensandbox-keys-"))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

beforeEach(() => {
  calls = []
})

/** A keyring that records what is asked of it and knows one key, with the number 2. */
const keyring: Keyring = {
  create: (request) => {
    calls.push(request)
    return Promise.resolve({ id: 3, key: "ws_secret", created_at, ...request })
  },
  list: () => Promise.resolve([{ id: 2, name: "ci", role: "user", prefix: "ws_12345678", created_at }]),
  revoke: (id) => {
    if (id === 2) return Promise.resolve()
    const failure = Object.assign(new Error(`There is no key ${id}`), { name: "Failure", code: "not_found" })
    return Promise.reject(failure)
  },
  addSshKey: (request) => {
    calls.push(request)
    return Promise.resolve({ id: 1, fingerprint: "SHA256:abc" })
  },
  close: () => {
    calls.push("closed")
    return Promise.resolve()
  },
}

const keys = (...args: string[]) =>
  runCli(["keys", ...args, "--data-dir", "/data"], {
    stdin: () => new Blob(["ssh-ed25519 STDIN"]).stream(),
    loadServer: () =>
      Promise.resolve({
        startServer: () => Promise.reject(new Error("not in this test")),
        openKeyring: (dataDirectory) => {
          calls.push(dataDirectory)
          return Promise.resolve(keyring)
        },
      }),
  })

test("keys create prints nothing but the key, so that a shell can take it", async () => {
  expect(await keys("create", "--name", "ci")).toEqual({ exitCode: 0, stdout: "ws_secret\n", stderr: "" })
  expect(calls).toEqual(["/data", { name: "ci", role: "user" }, "closed"])
})

test("keys create --json prints all of it", async () => {
  expect(JSON.parse((await keys("create", "--json")).stdout)).toEqual({
    success: true,
    id: 3,
    name: "unnamed",
    role: "user",
    key: "ws_secret",
    created_at,
  })
})

test("keys list shows how keys begin", async () => {
  expect((await keys("list")).stdout).toBe(
    "ID  NAME  ROLE  KEY           CREATED\n" + `2   ci    user  ws_12345678…  ${created_at}\n`,
  )
})

test("keys revoke says what it did, and what it could not", async () => {
  expect(await keys("revoke", "2")).toMatchObject({ exitCode: 0, stdout: "Revoked key 2\n" })
  const missing = await keys("revoke", "9")
  expect(missing.exitCode).toBe(1)
  expect(missing.stderr).toBe(
    'opensandbox: There is no key 9 (not_found)\n"opensandbox keys list" lists the keys.\n',
  )
  expect(JSON.parse((await keys("revoke", "9", "--json")).stdout)).toMatchObject({ code: "not_found" })
  expect(calls.filter((call) => call === "closed")).toHaveLength(3)
})

test("keys add-ssh reads a file or the standard input", async () => {
  const file = join(directory, "id.pub")
  await writeFile(file, "ssh-ed25519 FILE")
  expect((await keys("add-ssh", file, "--key", "2")).stdout).toBe("SHA256:abc stands for key 2 now\n")
  await keys("add-ssh", "-", "--key", "2")
  expect(calls.filter((call) => typeof call === "object")).toEqual([
    { keyId: 2, publicKey: "ssh-ed25519 FILE" },
    { keyId: 2, publicKey: "ssh-ed25519 STDIN" },
  ])
})

test("keys add-ssh says when the file cannot be read", async () => {
  const { exitCode, stderr } = await keys("add-ssh", join(directory, "none"), "--key", "2")
  expect(exitCode).toBe(1)
  expect(stderr).toContain("ENOENT")
})

test.each([
  ["revoke", "two"],
  ["revoke", "0"],
  ["add-ssh", "-"],
  ["add-ssh", "-", "--key", "x"],
])("keys %s %s is a wrong usage", async (...args) => {
  expect((await keys(...args)).exitCode).toBe(2)
  expect(calls).toEqual([])
})
