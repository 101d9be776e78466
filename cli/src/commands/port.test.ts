import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
})

afterEach(() => api.close())

const address = /^http:\/\/8080-box\.localhost:\d+\/$/m

test("port prints the address without asking the server", async () => {
  const { exitCode, stdout } = await api.cli(["port", "box", "8080"])
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringMatching(address) as string })
})

test("port makes a link that expires", async () => {
  api.answers["POST /vms/box/ports/8080/links"] = { status: 201, body: { token: "1.t", expires_at: "later" } }
  const { stdout } = await api.cli(["port", "box", "8080", "--expires", "60"])
  expect(stdout).toMatch(/^http:\/\/8080-box\.localhost:\d+\/\?opensandbox_token=1\.t\n$/)
  expect(api.bodies).toEqual([{ expires: 60 }])
  const { stdout: json } = await api.cli(["port", "box", "8080", "--expires", "60", "--json"])
  expect(JSON.parse(json)).toMatchObject({ success: true, expires_at: "later" })
})

test("port opens a port to everybody, and closes it", async () => {
  api.answers["PUT /vms/box/ports/8080"] = { body: { port: 8080, public: true } }
  for (const flag of ["--public", "--no-public"]) {
    expect((await api.cli(["port", "box", "8080", flag])).stdout).toMatch(address)
  }
  expect(api.bodies).toEqual([{ public: true }, { public: false }])
})

test("port tells what the server answers when it is no success", async () => {
  const { exitCode, stderr } = await api.cli(["port", "nobody", "8080", "--public"])
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("not_found") as string,
  })
})

test.each([["0"], ["65536"], ["http"], ["8080", "--expires", "0"], ["8080", "--expires", "1h"]])(
  "port %s is wrong usage",
  async (...args) => {
    expect((await api.cli(["port", "box", ...args])).exitCode).toBe(2)
  },
)
