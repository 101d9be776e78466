import { once } from "node:events"
import { connect as dial } from "node:net"
import { text } from "node:stream/consumers"
import { pino } from "pino"
import ssh2, { type Client, type ClientChannel } from "ssh2"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { FakePorts } from "../testing/fake-ports.js"
import { createTestServer, type TestServer } from "../testing/test-server.js"
import { generateEd25519KeyPair } from "./ed25519-key-pair.js"
import { SshPort } from "./ssh-port.js"

let server: TestServer
let port: SshPort
let client: Client
let ports: FakePorts

beforeEach(async () => {
  server = await createTestServer()
  const { keyring, sandboxes, userId } = server
  await sandboxes.create(userId, { name: "box" })
  ports = new FakePorts()
  sandboxes.onConnect = (address) => ports.connect(address)
  sandboxes.onListen = (address, onConnection) => ports.listen(address, onConnection)
  const hostKey = generateEd25519KeyPair().privateKey
  const parts = { hostKey, keyring, service: () => sandboxes, log: pino({ level: "silent" }) }
  port = await SshPort.listen({ name: "box", ownerId: userId }, parts, null)
  client = await login()
})
afterEach(async () => {
  client.destroy()
  await port.close()
  ports.stopListening()
  await server.close()
})

async function login(): Promise<Client> {
  const client = new ssh2.Client()
  client.on("error", () => undefined)
  const ready = once(client, "ready")
  client.connect({ host: "127.0.0.1", port: port.port, username: "sandbox", password: server.keys.user })
  await ready
  return client
}

function forwardOut(host: string, port: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.forwardOut("127.0.0.1", 1, host, port, (error, channel) => {
      if (error) reject(error)
      else resolve(channel)
    })
  })
}

function forwardIn(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    client.forwardIn(address, port, (error, bound) => {
      if (error) reject(error)
      else resolve(bound)
    })
  })
}

describe("a port of the guest", () => {
  it("is connected to by the guest itself, and each side ends by itself", async () => {
    const channel = await forwardOut("localhost", 8080)
    const received = text(channel)
    channel.end("to and fro")

    // The guest echoes what it got when it has all of it.
    expect(await received).toBe("to and fro")
    expect(ports.connected).toEqual([{ host: "localhost", port: 8080 }])
  })

  it("carries megabytes both ways, to the byte", async () => {
    const sent = "0123456789abcdef".repeat(300_000)
    const channel = await forwardOut("localhost", 8080)
    const received = text(channel)
    channel.end(sent)

    expect((await received) === sent).toBe(true)
  })

  it("that nobody listens on is refused", async () => {
    await expect(forwardOut("localhost", 1)).rejects.toThrow("Channel open failure")
  })

  it("is let go of when the client vanishes", async () => {
    await forwardOut("localhost", 8080)
    const [socket] = ports.sockets
    client.destroy()

    await vi.waitFor(() => {
      expect(socket?.destroyed).toBe(true)
    })
  })

  it("is connected to at most 64 times at once", async () => {
    await Promise.all(Array.from({ length: 64 }, () => forwardOut("localhost", 8080)))

    await expect(forwardOut("localhost", 8080)).rejects.toThrow("Channel open failure")
  })

  it("is not reached any more with a key that was revoked", async () => {
    await server.keyring.revoke(server.userId)

    await expect(forwardOut("localhost", 8080)).rejects.toThrow("Channel open failure")
  })
})

describe("a port of the client", () => {
  it("is reached by what connects in the guest", async () => {
    const bound = await forwardIn("localhost", 0)
    client.on("tcp connection", (details, accept) => {
      expect(details).toMatchObject({ destIP: "localhost", destPort: bound })
      const channel = accept()
      channel.pipe(channel)
    })
    const socket = dial({ port: bound, host: "127.0.0.1", allowHalfOpen: true })
    const received = text(socket)
    socket.end("ping")

    expect(await received).toBe("ping")
  })

  it("is not listened for any more when the client says so, or vanishes", async () => {
    const bound = await forwardIn("localhost", 0)
    const kept = await forwardIn("localhost", 0)
    await new Promise<void>((resolve, reject) => {
      client.unforwardIn("localhost", bound, (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
    expect(ports.listening).toEqual([kept])
    client.destroy()

    await vi.waitFor(() => {
      expect(ports.listening).toEqual([])
    })
  })

  it("that the guest cannot listen for is refused", async () => {
    await expect(forwardIn("localhost", 1)).rejects.toThrow("Unable to bind")
  })

  it("ends the connection when the guest stops listening, so that the client comes again", async () => {
    await forwardIn("localhost", 0)
    const closed = new Promise<void>((resolve) => client.once("close", resolve))
    ports.stopListening()

    await closed
  })

  it("is one of at most sixteen", async () => {
    await Promise.all(Array.from({ length: 16 }, () => forwardIn("localhost", 0)))

    await expect(forwardIn("localhost", 0)).rejects.toThrow("Unable to bind")
  })
})
