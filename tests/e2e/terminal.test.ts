import type { Sandbox, Terminal, TerminalOptions } from "opensandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { matching } from "../support/matchers.js"
import { cli } from "../support/repository.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { inTerminal } from "../support/terminal.js"

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
}, serverStartMs)

afterAll(() => server.dispose())

async function opened(options: TerminalOptions = {}): Promise<Terminal> {
  return succeeded(await sandbox.terminal(options)).terminal
}

/** All that a terminal prints. */
async function printed(terminal: Terminal): Promise<string> {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of terminal) text += decoder.decode(chunk, { stream: true })
  return text
}

/** Waits until a terminal has printed something. */
function prints(terminal: Terminal, pattern: RegExp): Promise<void> {
  const decoder = new TextDecoder()
  let text = ""
  return new Promise((resolve) => {
    const stop = terminal.onData((chunk) => {
      text += decoder.decode(chunk, { stream: true })
      if (!pattern.test(text)) return
      stop()
      resolve()
    })
  })
}

const runs = async (pattern: string) =>
  succeeded(await sandbox.run(`pgrep -fxc '${pattern}'`, { snapshot: false })).stdout

describe("sandbox.terminal", () => {
  test("is a login shell with a terminal of its own, and leaves a snapshot", async () => {
    const terminal = await opened({ cols: 100, rows: 30, env: { GREETING: "hello" } })
    terminal.write("stty -echo; tty; stty size; echo $GREETING $TERM; pwd; echo made > made; exit 7\n")
    const text = await printed(terminal)

    expect(text).toMatch(/\/dev\/pts\/\d+\r\n30 100\r\nhello xterm-256color\r\n\/workspace\r\n/)
    const end = succeeded(await terminal.wait())
    expect(end).toMatchObject({ exitCode: 7, signal: null, snapshot: matching(/^cmd_\d+$/) })
    const { snapshots } = succeeded(await sandbox.snapshots())
    expect(snapshots.at(-1)).toMatchObject({ snapshot_name: end.snapshot, command: null })
    expect(succeeded(await sandbox.run("cat made")).stdout).toBe("made\n")
  })

  test("runs a command, follows the window, and gives the exit code", async () => {
    const command = "trap 'stty size; exit 5' WINCH; echo up; while :; do sleep 0.1; done"
    const terminal = await opened({ command })
    await prints(terminal, /up/)
    terminal.resize(120, 50)

    expect(await printed(terminal)).toContain("50 120\r\n")
    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: 5 })
  })

  test("starts where, as whom and with what it is told", async () => {
    succeeded(await sandbox.run("useradd -m ann && mkdir -p 'a place'"))
    const seen = 'id -un; pwd; echo "$HOME $A"; tty > /dev/tty'
    const terminal = await opened({ command: seen, cwd: "a place", user: "ann", env: { A: "1 2" } })
    expect(await printed(terminal)).toMatch(
      /^ann\r\n\/workspace\/a place\r\n\/home\/ann 1 2\r\n\/dev\/pts\/\d+\r\n$/,
    )
    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: 0 })

    const shell = await opened({ user: "ann", cwd: "/tmp" })
    shell.write("stty -echo; id -un; pwd; touch ~/mine && exit 6\n")
    expect(await printed(shell)).toMatch(/ann\r\n\/tmp\r\n/)
    expect(await shell.wait()).toMatchObject({ success: true, exitCode: 6 })
  })

  test("does not open where, or as whom, nothing can run, and says why", async () => {
    const snapshots = async () => succeeded(await sandbox.snapshots()).snapshots.length
    const before = await snapshots()
    for (const options of [{ user: "mallory" }, { cwd: "none" }, { cwd: "/root", user: "nobody" }]) {
      const refused = failed(await sandbox.terminal(options))
      expect({ options, code: refused.code }).toEqual({ options, code: "invalid_request" })
      expect(refused.error).toContain(options.user ?? options.cwd)
    }
    expect(await snapshots()).toBe(before)
  })

  test("talks to another shell", async () => {
    const terminal = await opened({ shell: "python3" })
    terminal.write("print(6 * 7)\nexit(4)\n")

    expect(await printed(terminal)).toContain("42\r\n")
    expect(await terminal.wait()).toMatchObject({ success: true, exitCode: 4 })
  })

  test("passes Ctrl-C on", async () => {
    const terminal = await opened()
    terminal.write("sleep 7101\n")
    await expect.poll(() => runs("sleep 7101"), { timeout: 20_000 }).toBe("1\n")
    terminal.write("\u0003echo $((6 * 7))\nexit\n")

    expect(await printed(terminal)).toContain("42\r\n")
    expect(await runs("sleep 7101")).toBe("0\n")
  })

  test("brings 20 MB to the byte", async () => {
    const terminal = await opened({ command: "head -c 20000000 /dev/zero | tr '\\0' x" })
    let length = 0
    for await (const chunk of terminal) length += chunk.length

    expect(length).toBe(20_000_000)
  })

  test("takes what is running in it along when it is closed, without a snapshot", async () => {
    const before = succeeded(await sandbox.snapshots()).snapshots.length
    const terminal = await opened({ command: "setsid sleep 7102 & sleep 7103" })
    await expect.poll(() => runs("sleep 710[23]"), { timeout: 20_000 }).toBe("2\n")
    await terminal.close()

    expect(failed(await terminal.wait())).toMatchObject({ code: "interrupted" })
    await expect.poll(() => runs("sleep 710[23]"), { timeout: 20_000 }).toBe("0\n")
    expect(succeeded(await sandbox.snapshots()).snapshots.length).toBe(before)
  })

  test("is broken off by a restore, which it is told", async () => {
    const terminal = await opened({ command: "sleep 7104" })
    succeeded(await sandbox.restore("initial"))

    expect(failed(await terminal.wait())).toMatchObject({ code: "interrupted" })
  })
})

describe("opensandbox shell", () => {
  const inShell = (size: string, ...args: string[]) =>
    inTerminal([process.execPath, cli, ...args], {
      size,
      env: { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url },
    })

  test("connects the person's terminal, and exits as the shell does", async () => {
    const shell = inShell("rows 33 cols 111", "shell", sandbox.name)
    await shell.prints(/workspace# $/)
    shell.type("tty; stty size; exit 9\r")
    const { code, printed } = await shell.ended()

    expect(printed).toMatch(/\/dev\/pts\/\d+\r+\n33 111\r+\n/)
    expect(code).toBe(9)
  })

  test("starts elsewhere, as another user and with variables: shell and run -it alike", async () => {
    const place = ["--cwd", "/tmp", "--user", "nobody", "-e", "GREETING=hello"]
    const seen = "id -un; pwd; echo $GREETING; exit 3"
    const expected = /nobody\r+\n\/tmp\r+\nhello\r+\n/
    const run = await inShell("rows 24 cols 80", "run", "-it", sandbox.name, ...place, seen).ended()
    expect(run.printed).toMatch(expected)
    expect(run.code).toBe(3)

    const shell = inShell("rows 24 cols 80", "shell", sandbox.name, ...place)
    await shell.prints(/[$#] $/)
    shell.type(`${seen}\r`)
    const { code, printed } = await shell.ended()
    expect(printed).toMatch(expected)
    expect(code).toBe(3)
  })

  test("passes Ctrl-C on and follows the window", async () => {
    const shell = inShell("rows 33 cols 111", "shell", sandbox.name)
    await shell.prints(/workspace# $/)
    shell.type("sleep 7105\r")
    await expect.poll(() => runs("sleep 7105"), { timeout: 20_000 }).toBe("1\n")
    shell.type("\u0003")
    await expect.poll(() => runs("sleep 7105"), { timeout: 20_000 }).toBe("0\n")
    shell.type("exit\r")

    expect((await shell.ended()).code).toBe(130)
  })

  test("runs a command in its place: run -it", async () => {
    const command = "stty size; read -r word; echo got $word; exit 4"
    const run = inShell("rows 33 cols 111", "run", "-it", sandbox.name, command)
    await run.prints(/33 111/)
    run.type("typed\r")
    const { code, printed } = await run.ended()

    expect(printed).toMatch(/got typed\r+\n/)
    expect(code).toBe(4)
  })

  test("says what is wrong when there is no such sandbox, and leaves the terminal as it was", async () => {
    const { code, printed } = await inShell("rows 24 cols 80", "shell", "nobody").ended()

    expect(printed).toMatch(/no sandbox "nobody"/)
    expect(code).toBe(125)
  })
})
