import { afterEach, beforeEach, expect, test } from "vitest"
import { FakeApi } from "../testing/fake-api.js"

let api: FakeApi

beforeEach(async () => {
  api = await FakeApi.start()
})

afterEach(() => api.close())

const cli = (...args: string[]) => api.cli(args)

const ran = {
  stdout: "out",
  stderr: "err",
  exitCode: 7,
  snapshot: "cmd_1",
  stdoutTruncated: false,
  stderrTruncated: false,
}

/** The same as bytes. */
const ranBytes = { ...ran, stdout: btoa("out"), stderr: btoa("err") }

/** An answer of these events, each a name and its data. */
const events = (...list: (readonly [string, unknown])[]) => ({
  type: "text/event-stream",
  body: Buffer.from(list.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("")),
})

/** What every command is asked for that is run for people. */
const live = { encoding: "base64", stream: true }

test("run passes the streams on as they come, and the exit code", async () => {
  api.answers["POST /vms/box/run"] = events(
    ["stdout", btoa("o")],
    ["stderr", btoa("err")],
    ["stdout", btoa("ut")],
    ["result", ranBytes],
  )
  expect(await cli("run", "box", "exit 7")).toEqual({ exitCode: 7, stdout: "out", stderr: "err" })
})

test("run passes on what came only with the result", async () => {
  api.answers["POST /vms/box/run"] = { body: ranBytes }
  expect(await cli("run", "box", "exit 7")).toEqual({ exitCode: 7, stdout: "out", stderr: "err" })
})

test("run passes bytes on as they are", async () => {
  const bytes: number[] = []
  const all = Uint8Array.from({ length: 256 }, (_, index) => index)
  const binary = btoa(String.fromCharCode(...all))
  api.answers["POST /vms/box/run"] = events(["stdout", binary], ["result", { ...ranBytes, stdout: binary }])
  const stdoutBytes = (chunk: Uint8Array) => {
    bytes.push(...chunk)
    return Promise.resolve()
  }
  await api.cli(["run", "box", "cat binary"], { stdoutBytes })
  expect(bytes).toEqual([...all])
})

test("run goes on when its reader has seen enough", async () => {
  api.answers["POST /vms/box/run"] = events(
    ["stdout", btoa("a")],
    ["stdout", btoa("b")],
    ["result", { ...ranBytes, stdout: btoa("ab") }],
  )
  const tried: string[] = []
  const stdoutBytes = (chunk: Uint8Array) => {
    tried.push(Buffer.from(chunk).toString())
    return Promise.reject(Object.assign(new Error("gone"), { code: "EPIPE" }))
  }
  expect(await api.cli(["run", "box", "yes"], { stdoutBytes })).toMatchObject({ exitCode: 7 })
  expect(tried).toEqual(["a"])
})

test.each([
  [["run", "box", "echo", "hi", "--json", "-x"], { command: "echo hi --json -x", timeout: 30 }],
  [["run", "box", "--timeout", "5", "ls", "-la"], { command: "ls -la", timeout: 5 }],
  [["run", "--timeout", "5", "box", "ls | wc"], { command: "ls | wc", timeout: 5 }],
  [
    ["run", "box", "--timeout=0.5", "--", "-odd", "--timeout", "9"],
    { command: "-odd --timeout 9", timeout: 0.5 },
  ],
  [
    ["run", "-e", "A=1", "box", "-e", "B=x=y", "--env=C=", "env", "-e", "D=1"],
    { command: "env -e D=1", timeout: 30, env: { A: "1", B: "x=y", C: "" } },
  ],
  [
    ["run", "box", "--cwd", "src", "-u", "nobody", "id"],
    { command: "id", timeout: 30, cwd: "src", user: "nobody" },
  ],
])("%j leaves the command's own options to the command", async (args, body) => {
  api.answers["POST /vms/box/run"] = { body: ranBytes }
  await cli(...args)
  expect(api.bodies).toEqual([{ ...body, ...live }])
})

test("run -i gives its own input to the command", async () => {
  api.answers["POST /vms/box/run"] = { body: ranBytes }
  const stdin = () => new Blob([Uint8Array.of(0, 255)]).stream()
  await api.cli(["run", "box", "-i", "wc -c"], { stdin })
  expect(api.bodies).toMatchObject([{ command: "wc -c", stdin: { base64: "AP8=" } }])
})

test("run -i refuses what is too large", async () => {
  const stdin = () => new Blob([new Uint8Array(1024 * 1024 + 1)]).stream()
  const { exitCode, stderr } = await api.cli(["run", "box", "-i", "wc -c"], { stdin })
  expect(exitCode).toBe(125)
  expect(stderr).toContain("(too_large)")
  expect(api.bodies).toEqual([])
})

test("run does not touch its input unless it is told to", async () => {
  api.answers["POST /vms/box/run"] = { body: ranBytes }
  const stdin = () => {
    throw new Error("it was read")
  }
  expect((await api.cli(["run", "box", "true"], { stdin })).exitCode).toBe(7)
})

test("run gives up at a signal, and says so", async () => {
  const onStopSignal = (listener: () => void) => {
    listener()
  }
  const { exitCode, stderr } = await api.cli(["run", "box", "sleep 100"], { onStopSignal })
  expect(exitCode).toBe(125)
  expect(stderr).toContain("(aborted)")
})

test("run --json prints the whole result, and exits with the command's code", async () => {
  api.answers["POST /vms/box/run"] = { body: ran }
  const { exitCode, stdout } = await cli("run", "box", "--json", "exit 7")
  expect(JSON.parse(stdout)).toEqual({ success: true, ...ran })
  expect(exitCode).toBe(7)
  expect(api.bodies).toEqual([{ command: "exit 7", timeout: 30 }])
})

test("run says when output was cut, but not when all of it was passed on", async () => {
  const cut = { ...ranBytes, stdoutTruncated: true }
  api.answers["POST /vms/box/run"] = { body: cut }
  expect((await cli("run", "box", "yes")).stderr).toContain("cut")
  api.answers["POST /vms/box/run"] = events(["stdout", btoa("output")], ["result", cut])
  expect(await cli("run", "box", "yes")).toEqual({ exitCode: 7, stdout: "output", stderr: "err" })
})

test("run exits with 125 when the command did not run to its end, and shows what it printed", async () => {
  const error = { error: "Killed after 1 s", code: "timeout", stdout: "half", stderr: "" }
  api.answers["POST /vms/box/run"] = events(["stdout", btoa("half")], ["error", error])
  const { exitCode, stdout, stderr } = await cli("run", "box", "--timeout", "1", "sleep 9")
  expect([exitCode, stdout]).toEqual([125, "half"])
  expect(stderr).toMatch(/Killed after 1 s \(timeout\)\n.*--timeout/)
})

test.each([["0"], ["-1"], ["soon"], [""], ["86401"], ["Infinity"]])(
  "run refuses the timeout %j",
  async (timeout) => {
    const { exitCode, stderr } = await cli("run", "box", `--timeout=${timeout}`, "true")
    expect(exitCode).toBe(2)
    expect(stderr).toContain("at most 86400")
    expect(api.bodies).toEqual([])
  },
)

test.each([["A"], ["=1"], [""]])("run refuses the variable %j", async (variable) => {
  const { exitCode, stderr } = await cli("run", "box", `--env=${variable}`, "true")
  expect(exitCode).toBe(2)
  expect(stderr).toContain("NAME=VALUE")
})

test.each([["run", "box"], ["run", "box", "--json"], ["run"]])(
  "a run without a command is a wrong usage (%j)",
  async (...args) => {
    expect((await cli(...args)).exitCode).toBe(2)
    expect(api.bodies).toEqual([])
  },
)
