import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { exec, opensandbox, type Ended } from "../support/cli.js"
import { anyString, matching } from "../support/matchers.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SshAccess } from "../support/ssh.js"

let server: TestServer
let access: SshAccess
let sandbox: Sandbox
let port: number

beforeAll(async () => {
  access = await SshAccess.make()
  server = await TestServer.start()
  sandbox = await server.create()
  port = succeeded(await sandbox.info()).vm.ssh_port
  await access.trust(port)
}, serverStartMs)

afterAll(async () => {
  await server.dispose()
  await access.dispose()
})

/** Runs a command over SSH, with the server's key as the password. */
function ssh(command: string, input?: string | Uint8Array, password = server.apiKey): Promise<Ended> {
  return exec("ssh", [...access.withPassword(port), command], {
    env: access.passwordEnv(password),
    ...(input !== undefined && { input }),
  })
}

describe("a command over OpenSSH's client", () => {
  test("has its own streams and exit status, and leaves a snapshot", async () => {
    const before = succeeded(await sandbox.snapshots()).snapshots.length
    const command = "pwd; id -un; echo err >&2; echo made > made; exit 7"
    expect(await ssh(command)).toEqual({
      code: 7,
      signal: null,
      stdout: "/workspace\nroot\n",
      stderr: "err\n",
    })
    expect(await ssh("true")).toMatchObject({ code: 0 })
    const { snapshots } = succeeded(await sandbox.snapshots())
    expect(snapshots.slice(before)).toMatchObject([
      { snapshot_name: matching(/^cmd_\d+$/), command, created_at: anyString },
      { command: "true" },
    ])
    expect(await ssh("kill -TERM $$")).toMatchObject({ code: 255 })
    expect(await ssh("kill -9 $$; true")).toMatchObject({ code: 255 })
    succeeded(await sandbox.restore(snapshots[before]?.snapshot_name ?? ""))
    expect(succeeded(await sandbox.run("cat made")).stdout).toBe("made\n")
  })

  test("reads what is piped into it and sends it back, to the byte", async () => {
    expect(await ssh("cat", "")).toMatchObject({ code: 0, stdout: "" })
    expect(await ssh("tr a-z A-Z", "hello\n")).toMatchObject({ code: 0, stdout: "HELLO\n" })
    const megabytes = "0123456789abcde\n".repeat(4 * 65_536)
    const sent = await ssh("tee file | sha256sum >&2; cat file", megabytes)
    expect(sent.stdout === megabytes).toBe(true)
    expect(sent.stderr).toMatch(/^[0-9a-f]{64} {2}-\n$/)
    // A command that reads nothing of it ends all the same.
    expect(await ssh("echo done", megabytes)).toMatchObject({ code: 0, stdout: "done\n" })
  })

  test("that is one of several at once has an answer of its own", async () => {
    const all = await Promise.all([1, 2, 3].map((each) => ssh(`sleep 0.3; echo ${each}; exit ${each}`)))
    expect(all.map(({ stdout, code }) => [stdout, code])).toEqual([
      ["1\n", 1],
      ["2\n", 2],
      ["3\n", 3],
    ])
  })

  test("ends in the guest when the client vanishes", async () => {
    const client = spawn("ssh", [...access.withPassword(port), "echo up; setsid sleep 7001 & sleep 7002"], {
      env: { ...process.env, ...access.passwordEnv(server.apiKey) },
      stdio: ["ignore", "pipe", "ignore"],
    })
    const exit = once(client, "exit")
    await once(client.stdout, "data")
    const sleeping = async () => succeeded(await sandbox.run("pgrep -fxc 'sleep 700[12]'")).stdout
    await expect.poll(sleeping, { timeout: 20_000 }).toBe("2\n")
    client.kill("SIGKILL")
    await exit
    await expect.poll(sleeping, { timeout: 20_000 }).toBe("0\n")
  })
})

describe("who may log in", () => {
  test("a wrong password may not", async () => {
    const refused = await ssh("true", undefined, "ws_wrong")
    expect(refused).toMatchObject({ code: 255, stdout: "", stderr: matching(/Permission denied/) })
    expect(await ssh("true", undefined, "")).toMatchObject({ code: 255 })
  })

  test("a public key may when it is registered, until its API key is revoked, and to its own sandboxes", async () => {
    const data = ["--data-dir", server.dataDirectory]
    const made = await opensandbox(["keys", "create", "--name", "ssh", "--json", ...data])
    const { id, key } = JSON.parse(made.stdout) as { id: number; key: string }
    const own = succeeded(await server.client(key).create("own")).sandbox
    const ownPort = succeeded(await own.info()).vm.ssh_port
    const login = (to: number, user?: string) => exec("ssh", [...access.withKey(to, user), "hostname"])
    const refused = { code: 255, stdout: "", stderr: matching(/Permission denied/) }

    expect(await login(ownPort)).toMatchObject(refused)
    const added = await opensandbox(["keys", "add-ssh", access.publicKey, "--key", String(id), ...data])
    expect(added).toMatchObject({ code: 0, stdout: matching(/SHA256:/), stderr: "" })
    expect(await login(ownPort)).toEqual({ code: 0, signal: null, stdout: "own\n", stderr: "" })
    expect(await login(ownPort, "root")).toMatchObject(refused)
    expect(await login(port)).toMatchObject(refused)
    // The server's own key owns other sandboxes.
    const foreign = await exec("ssh", [...access.withPassword(ownPort), "hostname"], {
      env: access.passwordEnv(server.apiKey),
    })
    expect(foreign).toMatchObject(refused)

    expect(await opensandbox(["keys", "revoke", String(id), ...data])).toMatchObject({ code: 0 })
    expect(await login(ownPort)).toMatchObject(refused)
  })

  test("the host key is kept over a restart", async () => {
    await server.restart()
    sandbox = server.sandbox(sandbox.name)
    expect(await ssh("echo again")).toMatchObject({ code: 0, stdout: "again\n", stderr: "" })
  })

  test("no other subsystem than SFTP is served", async () => {
    const files = await exec("ssh", ["-s", ...access.withPassword(port), "netconf"], {
      env: access.passwordEnv(server.apiKey),
    })
    expect(files.code).not.toBe(0)
  })
})

describe("a terminal", () => {
  /** Runs `ssh` in a terminal of the given size, which a line of shell (`beside`) may change meanwhile. */
  async function inTerminal(
    args: string[],
    beside: string,
  ): Promise<{ code: number | null; stdout: string }> {
    const quoted = args.map((arg) => `'${arg.replaceAll("'", String.raw`'\''`)}'`).join(" ")
    const script = `stty rows 33 cols 111; (${beside}) & ssh ${quoted} | tee '${access.file("seen")}'`
    const child = spawn("script", ["-qec", `bash -o pipefail -c ${JSON.stringify(script)}`, "/dev/null"], {
      env: {
        ...process.env,
        ...access.passwordEnv(server.apiKey),
        TERM: "xterm-256color",
        SHELL: "/bin/bash",
      },
      // Its input stays open: at its end `script` would type a character.
      stdio: ["pipe", "pipe", "ignore"],
      timeout: 50_000,
    })
    const [stdout, [code]] = await Promise.all([
      text(child.stdout),
      once(child, "exit") as Promise<[number | null]>,
    ])
    return { code, stdout }
  }

  test("has the client's size, follows it, and gives the exit status", async () => {
    const command =
      "trap 'stty size; exit 5' WINCH; test -t 0 && test -t 1 && echo $TERM; stty size; while :; do sleep 0.1; done"
    const grow = `until grep -q 33 '${access.file("seen")}' 2> /dev/null; do sleep 0.1; done; stty rows 50 cols 120 < /dev/tty`
    const { code, stdout } = await inTerminal(["-tt", ...access.withPassword(port), command], grow)
    expect(stdout.replaceAll("\r", "")).toBe("xterm-256color\n33 111\n50 120\n")
    expect(code).toBe(5)
  })

  test("an interactive shell reads lines, and Ctrl-C interrupts what runs", async () => {
    const shell = spawn("ssh", ["-tt", ...access.withPassword(port)], {
      env: { ...process.env, ...access.passwordEnv(server.apiKey) },
      stdio: ["pipe", "pipe", "pipe"],
    })
    let seen = ""
    shell.stdout.setEncoding("utf8").on("data", (piece: string) => (seen += piece))
    const exit = once(shell, "exit")
    shell.stdin.write("cd /tmp && pwd\nsleep 100\n")
    await expect
      .poll(async () => succeeded(await sandbox.run("pgrep -fxc 'sleep 100'")).stdout, { timeout: 20_000 })
      .toBe("1\n")
    shell.stdin.write("\u0003echo $((6 * 7))\nexit 9\n")
    expect(await exit).toEqual([9, null])
    expect(seen).toContain("/tmp\r\n")
    expect(seen).toContain("42\r\n")
    expect(succeeded(await sandbox.run("pgrep -x sleep")).stdout).toBe("")
  })
})
