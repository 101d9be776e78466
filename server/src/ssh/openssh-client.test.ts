import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { generateEd25519KeyPair } from "./ed25519-key-pair.js"
import { hostKey } from "./host-key.js"
import { SshPort } from "./ssh-port.js"

describe("OpenSSH's client", () => {
  let directory: string
  let server: TestServer
  let port: SshPort

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "opensandbox-ssh-"))
    server = await createTestServer()
    const { keyring, sandboxes, userId } = server
    await sandboxes.create(userId, { name: "box" })
    const parts = {
      hostKey: await hostKey(directory),
      keyring,
      service: () => sandboxes,
      log: pino({ level: "silent" }),
    }
    port = await SshPort.listen({ name: "box", ownerId: userId }, parts, null)
  })
  afterEach(async () => {
    await port.close()
    await server.close()
    await rm(directory, { recursive: true })
  })

  it("logs in with the API key as the password, and exits as the command does", async () => {
    expect(await ssh(["both"], { password: server.keys.user })).toMatchObject({
      stdout: "out\n",
      stderr: expect.stringContaining("err\n") as string,
      code: 7,
    })
  })

  it("is refused with a wrong password", async () => {
    expect(await ssh(["both"], { password: "ws_wrong" })).toMatchObject({
      stdout: "",
      stderr: expect.stringContaining("Permission denied") as string,
      code: 255,
    })
  })

  it.each(["ed25519", "ecdsa", "rsa"])("logs in with a registered %s key", async (type) => {
    const identity = join(directory, "id")
    await run("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", identity])
    const { stdout: publicKey } = await run("ssh-keygen", ["-y", "-f", identity])
    await server.keyring.addSshKey({ keyId: server.userId, publicKey })

    expect(await ssh(["cat"], { identity, input: "to and fro" })).toMatchObject({
      stdout: "to and fro",
      code: 0,
    })
  })

  it("gets a shell with a terminal of its own window's size", async () => {
    const identity = await registeredIdentity()
    const inTerminal = `stty cols 100 rows 40; ${["ssh", ...options({ identity }), "-tt"].join(" ")}`
    const { stdout, code } = await run("script", ["-qec", inTerminal, join(directory, "typescript")], {
      input: "exit\r",
      env: { TERM: "vt100" },
    })

    expect(server.sandboxes.sessions[0]?.request).toMatchObject({
      pty: { cols: 100, rows: 40, term: "vt100" },
    })
    expect(stdout).toContain("exit")
    expect(code).toBe(3)
  })

  it("sees the same host key each time", async () => {
    expect(await hostKey(directory)).toBe(await hostKey(directory))
    const { stdout } = await run("ssh-keyscan", ["-p", String(port.port), "127.0.0.1"])

    const publicKey = await run("ssh-keygen", ["-y", "-f", join(directory, "ssh_host_key")])
    expect(stdout).toContain(publicKey.stdout.trim())
  })

  interface Login {
    password?: string
    identity?: string
  }

  async function ssh(command: string[], { input, ...login }: Login & { input?: string }) {
    return run("ssh", [...options(login), ...command], {
      input: input ?? "",
      env: login.password === undefined ? {} : await askPass(login.password),
    })
  }

  function options({ identity }: Login): string[] {
    return [
      ...["-F", "/dev/null", "-p", String(port.port)],
      ...["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
      ...["-o", "NumberOfPasswordPrompts=1", "-o", "IdentitiesOnly=yes"],
      ...(identity === undefined ? ["-o", "PubkeyAuthentication=no"] : ["-i", identity]),
      "sandbox@127.0.0.1",
    ]
  }

  /** How ssh gets a password where there is no terminal to ask on. */
  async function askPass(password: string): Promise<Record<string, string>> {
    const script = join(directory, "askpass")
    await writeFile(script, `#!/bin/sh\necho '${password}'\n`, { mode: 0o700 })
    return { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: "force" }
  }

  async function registeredIdentity(): Promise<string> {
    const { privateKey, publicKey } = generateEd25519KeyPair()
    await server.keyring.addSshKey({ keyId: server.userId, publicKey })
    const identity = join(directory, "id")
    await writeFile(identity, privateKey, { mode: 0o600 })
    return identity
  }
})

interface Input {
  input?: string
  env?: Record<string, string>
}

async function run(program: string, args: string[], { input = "", env = {} }: Input = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, timeout: 20_000 })
  // A program that ends without reading its input is none the worse for it.
  child.stdin.on("error", () => undefined)
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ])
  return { stdout, stderr, code }
}
