import { expect, test } from "vitest"
import { exitCodes } from "../exit-codes.js"
import { runCli } from "../testing/run-cli.js"

test("shell needs a terminal, and says what does without one", async () => {
  const { exitCode, stderr } = await runCli(["shell", "box"])
  expect(exitCode).toBe(exitCodes.usage)
  expect(stderr).toMatch(/needs a terminal.*opensandbox run box COMMAND/)
})

test("run -t needs one as well", async () => {
  const { exitCode, stderr } = await runCli(["run", "-it", "box", "vi"])
  expect(exitCode).toBe(exitCodes.usage)
  expect(stderr).toMatch(/-t needs a terminal/)
})

test.each([["--json"], ["--timeout", "5"], ["--detach"]])("run -t goes with no %s", async (...options) => {
  const isTerminal = { stdin: true, stdout: true, stderr: true }
  const { exitCode, stderr } = await runCli(["run", "-t", ...options, "box", "vi"], { isTerminal })
  expect(exitCode).toBe(exitCodes.usage)
  expect(stderr).toMatch(/none of --detach, --json and --timeout/)
})

test("a sandbox that cannot be asked for a terminal is told, and the exit code is that of run", async () => {
  const isTerminal = { stdin: true, stdout: true, stderr: true }
  const { exitCode, stderr } = await runCli(["shell", "box"], { isTerminal })
  expect(exitCode).toBe(exitCodes.notRun)
  expect(stderr).toMatch(/\(unavailable\)/)
})

test("a place, a user and variables go with a terminal", async () => {
  const isTerminal = { stdin: true, stdout: true, stderr: true }
  const place = ["--cwd", "src", "--user", "nobody", "-e", "A=1"]
  for (const args of [
    ["shell", "box", ...place],
    ["run", "-it", ...place, "box", "vi"],
  ]) {
    expect((await runCli(args, { isTerminal })).exitCode).toBe(exitCodes.notRun)
  }
  const { exitCode, stderr } = await runCli(["shell", "box", "--env", "A"], { isTerminal })
  expect(exitCode).toBe(exitCodes.usage)
  expect(stderr).toMatch(/NAME=VALUE/)
})
