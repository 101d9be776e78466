import { OpenSandboxError, unwrap } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { failed } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

test("a sandbox is gone at the end of its block, and so is its machine", async () => {
  const client = server.client()
  const leave = async () => {
    await using sandbox = unwrap(await client.create("for-now")).sandbox
    expect(unwrap(await sandbox.run("echo here")).stdout).toBe("here\n")
    throw new Error("left early")
  }
  await expect(leave()).rejects.toThrow("left early")
  expect(failed(await client.sandbox("for-now").info()).code).toBe("not_found")
  expect(server.machines()).toEqual([])
})

test("a sandbox that was destroyed inside its block is no error at its end", async () => {
  await using sandbox = unwrap(await server.client().create("gone-early")).sandbox
  unwrap(await sandbox.destroy())
})

test("the end of a block throws when the server cannot destroy the sandbox", async () => {
  const stranger = server.client("ws_nobody").sandbox("any")
  await expect(stranger[Symbol.asyncDispose]()).rejects.toThrow(OpenSandboxError)
})

test("many who would reuse one sandbox get the same one, made once", async () => {
  const client = server.client()
  const creations = await Promise.all(
    Array.from({ length: 5 }, () => client.create("shared", { reuse: true })),
  )
  const reused = creations.map((creation) => unwrap(creation).reused)
  expect(reused.toSorted()).toEqual([false, true, true, true, true])

  unwrap(await client.sandbox("shared").run("echo kept > file"))
  const again = unwrap(await client.create("shared", { reuse: true }))
  expect(again.reused).toBe(true)
  expect(unwrap(await again.sandbox.run("cat file")).stdout).toBe("kept\n")
  expect(failed(await client.create("shared")).code).toBe("already_exists")
  unwrap(await again.sandbox.destroy())
  expect(unwrap(await client.create("shared", { reuse: true })).reused).toBe(false)
})
