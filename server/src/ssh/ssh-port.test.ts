import { once } from "node:events"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import { pino } from "pino"
import ssh2, {
  type Client,
  type ClientChannel,
  type ConnectConfig,
  type ParsedKey,
  type SignCallback,
} from "ssh2"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { FakeSession } from "../testing/fake-session.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { generateEd25519KeyPair, type SshKeyPair } from "./ed25519-key-pair.js"
import { SshPort } from "./ssh-port.js"

const hostKey = generateEd25519KeyPair().privateKey
let server: TestServer
let port: SshPort
let clients: Client[]

beforeEach(async () => {
  server = await createTestServer()
  clients = []
  const { keyring, sandboxes, userId } = server
  await sandboxes.create(userId, { name: "box" })
  const parts = { hostKey, keyring, service: () => sandboxes, log: pino({ level: "silent" }) }
  port = await SshPort.listen({ name: "box", ownerId: userId }, parts, null)
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await port.close()
  await server.close()
})

describe("a login", () => {
  it("takes the owner's API key as the password", async () => {
    await expect(login({ password: server.keys.user })).resolves.toBeDefined()
  })

  it("takes an SSH key that stands for the owner's API key", async () => {
    await expect(login({ privateKey: (await registeredKey()).privateKey })).resolves.toBeDefined()
  })

  it.each([
    ["a wrong password", () => ({ password: "ws_wrong" })],
    ["no password", () => ({ password: "" })],
    ["another owner's key", () => ({ password: server.keys.other })],
    ["the admin's key, whose sandbox it is not", () => ({ password: server.keys.admin })],
    ["another user name", () => ({ password: server.keys.user, username: "root" })],
    ["an SSH key that nobody registered", () => ({ privateKey: generateEd25519KeyPair().privateKey })],
  ])("refuses %s", async (_, credentials) => {
    await expect(login(credentials())).rejects.toThrow("authentication methods failed")
  })

  it("refuses a registered SSH key that the client does not hold", async () => {
    const agent = new LyingAgent((await registeredKey()).publicKey)

    await expect(login({ agent })).rejects.toThrow("authentication methods failed")
    expect(agent.asked).toBe(1)
  })

  it("is cut off after ten failures", async () => {
    const authenticate = vi.spyOn(server.keyring, "authenticate")
    const guess = (_left: unknown, _partial: unknown, next: (guess: object) => void) => {
      next({ type: "password", username: "sandbox", password: "ws_guess" })
    }

    const client = new ssh2.Client()
    clients.push(client)
    client.on("error", () => undefined)
    // Being cut off may be an error to the client, and to events.once as well: only the end counts here.
    const closed = new Promise<void>((resolve) => client.once("close", resolve))
    client.connect({ host: "127.0.0.1", port: port.port, username: "sandbox", authHandler: guess as never })

    await closed
    expect(authenticate).toHaveBeenCalledTimes(10)
  })

  it("has half a minute", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    const socket = connect(port.port, "127.0.0.1")
    await once(socket, "data")
    vi.advanceTimersByTime(30_000)
    vi.useRealTimers()

    await once(socket, "close")
  })

  it("lets only ten strangers wait", async () => {
    const strangers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = connect(port.port, "127.0.0.1")
        await once(socket, "data")
        return socket
      }),
    )
    const oneMore = connect(port.port, "127.0.0.1")
    oneMore.on("error", () => undefined)
    await once(oneMore, "close")

    for (const stranger of strangers) stranger.destroy()
  })

  it("that was revoked since starts no more commands", async () => {
    const client = await login({ password: server.keys.user })
    await server.keyring.revoke(server.userId)

    expect(await run(client, "both")).toMatchObject({
      code: 255,
      stderr: "opensandbox: The API key of this connection is revoked.\n",
    })
  })
})

describe("a command", () => {
  let client: Client

  beforeEach(async () => {
    client = await login({ password: server.keys.user })
  })

  it("has its own stdout, stderr and exit status", async () => {
    expect(await run(client, "both")).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      code: 7,
      signal: undefined,
    })
  })

  it("gets its input, to the last byte", async () => {
    const channel = await exec(client, "cat")
    const stdout = text(channel)
    channel.end("x".repeat(5_000_000))

    expect((await stdout).length).toBe(5_000_000)
  })

  it("tells by which signal it ended", async () => {
    expect(await run(client, "killed")).toMatchObject({ signal: "SIGKILL" })
  })

  it("gets the signals that the client sends", async () => {
    const channel = await exec(client, "cat")
    const ended = endOf(channel)
    channel.resume().signal("USR1")

    expect(await ended).toMatchObject({ signal: "SIGUSR1" })
    expect(server.sandboxes.sessions[0]?.signals).toEqual(["USR1"])
  })

  it("that a signal ended for which SSH has no name exits as in a shell", async () => {
    expect(await run(client, "crashed")).toMatchObject({ code: 128 + 7 })
  })

  it.each([
    ["refused", "The sandbox is busy; try again."],
    ["interrupted", "A restore ended the command."],
  ])("that is %s says why and exits with 255", async (command, message) => {
    expect(await run(client, command)).toMatchObject({ code: 255, stderr: `opensandbox: ${message}\n` })
  })

  it.each(["", " ", "true\0false"])("that is none (%j) is refused", async (command) => {
    await expect(exec(client, command)).rejects.toThrow("Unable to exec")
  })

  it("gets the client's variables, if they can be some", async () => {
    const env = { LANG: "de_DE.UTF-8", EDITOR_HOME: "/a b\nc", "not a name": "1", LONG: "x".repeat(4097) }
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.exec("show", { env }, (error, opened) => {
        if (error) reject(error)
        else resolve(opened)
      })
    })

    expect(JSON.parse(await text(channel))).toEqual({
      command: "show",
      env: { LANG: "de_DE.UTF-8", EDITOR_HOME: "/a b\nc" },
    })
  })

  it("prints no faster than the client reads", async () => {
    const channel = await exec(client, "flood")
    const [session] = server.sandboxes.sessions as [FakeSession]
    await vi.waitFor(() => {
      expect(session.printed).toBeGreaterThan(0)
    })
    // Nothing is read here, so what fits into the windows and buffers on the way is all that may come.
    expect(session.printed).toBeLessThan(16 * 1024 * 1024)

    const [stdout, stderr] = await Promise.all([text(channel), text(channel.stderr)])
    expect([stdout.length, stderr.length]).toEqual([24 * 1024 * 1024, 24 * 1024 * 1024])
    expect([/[^x]/.test(stdout), /[^y]/.test(stderr)]).toEqual([false, false])
  })

  it("is cancelled when the client closes its channel", async () => {
    const channel = await exec(client, "wait")
    const [session] = server.sandboxes.sessions as [FakeSession]
    channel.close()

    await vi.waitFor(() => {
      expect(session.cancelled).toBe(true)
    })
  })

  it("is cancelled when the client vanishes, even with input that nobody reads", async () => {
    const channel = await exec(client, "wait")
    channel.write("x".repeat(1_000_000))
    const [session] = server.sandboxes.sessions as [FakeSession]
    client.destroy()

    await vi.waitFor(() => {
      expect(session.cancelled).toBe(true)
    })
  })

  it("is one of at most sixteen at a time", async () => {
    await Promise.all(Array.from({ length: 16 }, () => exec(client, "wait")))

    await expect(exec(client, "wait")).rejects.toThrow("Channel open failure")
  })
})

describe("a shell", () => {
  it("has a terminal that follows the client's window", async () => {
    const client = await login({ password: server.keys.user })
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.shell({ cols: 100, rows: 40, term: "xterm-256color" }, (error, opened) => {
        if (error) reject(error)
        else resolve(opened)
      })
    })
    const output = text(channel)
    const ended = endOf(channel)
    const session = await openedSession()
    channel.setWindow(50, 120, 0, 0)
    await vi.waitFor(() => {
      expect(session.sizes).toEqual(["120x50"])
    })
    channel.write("exit\r")

    expect(await ended).toEqual({ code: 3, signal: undefined })
    expect(await output).toBe("size 120x50\r\nexit\r")
    expect(session.request).toEqual({ pty: { cols: 100, rows: 40, term: "xterm-256color" }, env: {} })
  })
})

describe("SFTP", () => {
  it("is the guest's own server, as a session with a name for its snapshot", async () => {
    const client = await login({ password: server.keys.user })
    await promised<ClientChannel>((done) => client.subsys("sftp", done))
    const { request } = await openedSession()

    expect(request).toMatchObject({ recordAs: "sftp" })
    expect(request.command).toMatch(/exec \/usr\/lib\/openssh\/sftp-server$/)
    expect(request.pty).toBeUndefined()
  })
})

describe("what is not offered", () => {
  let client: Client

  beforeEach(async () => {
    client = await login({ password: server.keys.user })
  })

  it("other subsystems than SFTP are refused cleanly", async () => {
    await expect(promised((done) => client.subsys("netconf", done))).rejects.toThrow(
      "Unable to start subsystem",
    )
  })

  it("sockets of the file system are refused cleanly", async () => {
    await expect(promised((done) => client.openssh_forwardOutStreamLocal("/run/x", done))).rejects.toThrow(
      "Channel open failure",
    )
    const listening = promised<undefined>((done) =>
      client.openssh_forwardInStreamLocal("/run/x", (error?: Error | null) => {
        done(error ?? undefined, undefined)
      }),
    )
    await expect(listening).rejects.toThrow("Unable to bind")
  })
})

/** Offers a public key whose private half it does not have, and signs with another. */
class LyingAgent extends ssh2.BaseAgent {
  asked = 0
  readonly #claimed: string

  constructor(claimed: string) {
    super()
    this.#claimed = claimed
  }

  override getIdentities(done: (error: undefined, keys: string[]) => void): void {
    done(undefined, [this.#claimed])
  }

  override sign(_key: unknown, data: Buffer, options: unknown, done?: SignCallback): void {
    this.asked++
    const own = ssh2.utils.parseKey(generateEd25519KeyPair().privateKey) as ParsedKey
    const answer = done ?? (options as SignCallback)
    answer(null, own.sign(data))
  }
}

async function login(credentials: ConnectConfig): Promise<Client> {
  const client = new ssh2.Client()
  clients.push(client)
  client.on("error", () => undefined)
  const ready = once(client, "ready")
  client.connect({ host: "127.0.0.1", port: port.port, username: "sandbox", ...credentials })
  await ready
  return client
}

async function registeredKey(): Promise<SshKeyPair> {
  const pair = generateEd25519KeyPair()
  await server.keyring.addSshKey({ keyId: server.userId, publicKey: pair.publicKey })
  return pair
}

function exec(client: Client, command: string): Promise<ClientChannel> {
  return promised((done) => client.exec(command, done))
}

async function run(client: Client, command: string) {
  const channel = await exec(client, command)
  const [stdout, stderr, end] = await Promise.all([text(channel), text(channel.stderr), endOf(channel)])
  return { stdout, stderr, ...end }
}

async function endOf(channel: ClientChannel): Promise<{ code: number | null; signal: string | undefined }> {
  const [code, signal] = (await once(channel, "close")) as [number | null, string | undefined]
  return { code, signal }
}

async function openedSession(): Promise<FakeSession> {
  return vi.waitFor(() => {
    const [session] = server.sandboxes.sessions
    if (session === undefined) throw new Error("no session yet")
    return session
  })
}

function promised<Value>(
  act: (done: (error: Error | undefined, value: Value) => void) => unknown,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    act((error, value) => {
      if (error) reject(error)
      else resolve(value)
    })
  })
}
