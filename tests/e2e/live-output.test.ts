import { request, type IncomingMessage } from "node:http"
import { readdirSync, readFileSync } from "node:fs"
import { beforeAll, describe, expect, test } from "vitest"
import type { Sandbox } from "opensandbox"
import { eventually } from "../support/eventually.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mebibyte = 1024 * 1024

/** How long anything may take that has to come soon, on a busy machine. */
const soonMs = 30_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

/** Waits until a command in the sandbox says yes. */
async function holds(sandbox: Sandbox, condition: string): Promise<void> {
  await eventually(condition, soonMs, async () => {
    const { exitCode } = succeeded(await sandbox.run(condition, { snapshot: false, timeout: 60 }))
    return exitCode === 0 ? true : undefined
  })
}

const commandsOf = async (sandbox: Sandbox) =>
  succeeded(await sandbox.snapshots()).snapshots.map(({ command }) => command)

/** How much memory the server's process takes, in bytes. */
function residentBytes(): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8")) ?? []
  return Number(kilobytes) * 1024
}

const openFiles = () => readdirSync(`/proc/${server.pid}/fd`).length

/** Asks for a command by hand; gives the answer once it begins, of which nothing is read. */
function runUnread(sandbox: Sandbox, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      "x-api-key": server.apiKey,
      "content-type": "application/json",
      accept: "text/event-stream",
    }
    const url = `${server.url}/vms/${sandbox.name}/run`
    const asked = request(url, { method: "POST", headers, agent: false }, (response) => {
      response.on("error", () => undefined)
      resolve(response)
    })
    asked.on("error", reject)
    asked.end(JSON.stringify(body))
  })
}

describe("output while a command runs", () => {
  test("comes as it is printed: the command waits for what its listener does with it", async () => {
    const sandbox = await server.create()
    const heard: string[] = []
    const command = [
      "echo begun; echo warned >&2",
      "until test -e heard; do sleep 0.05; done",
      "echo done; exit 4",
    ].join("\n")
    const result = await sandbox.run(command, {
      timeout: 60,
      onStdout: async (text) => {
        heard.push(text)
        if (text === "begun\n") succeeded(await sandbox.run("touch heard", { snapshot: false }))
      },
      onStderr: (text) => heard.push(text),
    })
    expect(succeeded(result)).toMatchObject({ stdout: "begun\ndone\n", stderr: "warned\n", exitCode: 4 })
    expect(heard.toSorted()).toEqual(["begun\n", "done\n", "warned\n"])
    expect(await commandsOf(sandbox)).toEqual([null, command])
  })

  test("never splits a character, however it is written", async () => {
    const sandbox = await server.create()
    const heard: string[] = []
    const bytes = [...Buffer.from("a€𝄞ü")].map((byte) => `printf '\\x${byte.toString(16)}'`)
    const command = bytes.join("; sleep 0.03; ")
    const result = succeeded(await sandbox.run(command, { onStdout: (text) => heard.push(text) }))
    expect(result.stdout).toBe("a€𝄞ü")
    expect(heard.join("")).toBe("a€𝄞ü")
    expect(heard.join("|")).not.toContain("\ufffd")
    expect(heard.length).toBeGreaterThan(1)
    const cut: string[] = []
    succeeded(await sandbox.run("printf 'a\\xe2\\x82'", { onStdout: (text) => cut.push(text) }))
    expect(cut.join("")).toBe("a\ufffd")
  })

  test("never splits a character, however long the text and odd the pieces", async () => {
    const sandbox = await server.create()
    const line = "a€𝄞ü日本\n"
    const text = line.repeat(30_000)
    const program = `python3 - <<'END'
import sys
out, data, at, size = sys.stdout.buffer, ${JSON.stringify(line)}.encode() * 30000, 0, 1
while at < len(data):
    out.write(data[at:at + size])
    out.flush()
    at, size = at + size, size * 7 % 8191 + 1
END`
    const heard: string[] = []
    const run = await sandbox.run(program, { timeout: 60, onStdout: (piece) => heard.push(piece) })
    expect(succeeded(run).stdout).toBe(text)
    const { process } = succeeded(await sandbox.start(program))
    const read: string[] = []
    for await (const piece of process.stdout) read.push(piece)
    for (const pieces of [heard, read]) {
      expect(pieces.join("") === text).toBe(true)
      expect(pieces.length).toBeGreaterThan(10)
      // A half of a character would be one of these, or a half of a surrogate pair.
      expect(pieces.filter((piece) => /\ufffd|^[\udc00-\udfff]|[\ud800-\udbff]$/.test(piece))).toEqual([])
    }
  })

  test("of 100 MB comes whole, while the result keeps 8 MiB", { timeout: 180_000 }, async () => {
    const sandbox = await server.create()
    let bytes = 0
    let wrong = 0
    const result = await sandbox.run("head -c 100000000 /dev/zero | tr '\\0' x", {
      timeout: 150,
      encoding: "buffer",
      onStdout: (chunk) => {
        bytes += chunk.length
        if (chunk.some((byte) => byte !== 0x78)) wrong += 1
      },
    })
    expect(succeeded(result)).toMatchObject({ exitCode: 0, stdoutTruncated: true })
    expect(succeeded(result).stdout.length).toBe(8 * mebibyte)
    expect({ bytes, wrong }).toEqual({ bytes: 100_000_000, wrong: 0 })
  })

  test("does not wait for a process that is left in the background", async () => {
    const sandbox = await server.create()
    const heard: string[] = []
    const result = await sandbox.run("sleep 1000 & echo started", { onStdout: (text) => heard.push(text) })
    expect(succeeded(result).stdout).toBe("started\n")
    expect(heard).toEqual(["started\n"])
  })

  test("goes with the failure of a command whose time is up", async () => {
    const sandbox = await server.create()
    const heard: string[] = []
    const late = await sandbox.run("echo begun; sleep 1000", {
      timeout: 1,
      onStdout: (text) => heard.push(text),
    })
    expect(failed(late)).toMatchObject({ code: "timeout", stdout: "begun\n" })
    expect(heard).toEqual(["begun\n"])
  })
})

describe("a client that stops reading", () => {
  test(
    "takes no memory, disturbs nobody, and loses neither its command nor its result",
    { timeout: 180_000 },
    async () => {
      const sandbox = await server.create()
      const body = {
        command: "head -c 60000000 /dev/zero | tr '\\0' x; touch over",
        timeout: 120,
        stream: true,
      }
      const before = residentBytes()
      const unread = await Promise.all([
        runUnread(sandbox, body),
        runUnread(sandbox, { ...body, timeout: 2 }),
      ])
      try {
        for (const response of unread) response.socket.pause()
        // The second one's time is up while nobody reads; others go on beside both.
        await holds(sandbox, "test $(pgrep -cx head) -eq 1")
        expect(succeeded(await sandbox.run("echo beside", { snapshot: false })).stdout).toBe("beside\n")
        expect(residentBytes() - before).toBeLessThan(64 * mebibyte)
        // The first one is held up for 30 seconds, then goes on to its end without its client.
        await eventually("the command to end by itself", 90_000, async () => {
          const over = await sandbox.run("test -e over", { snapshot: false })
          return succeeded(over).exitCode === 0 ? true : undefined
        })
        expect(residentBytes() - before).toBeLessThan(96 * mebibyte)
        const [first, second] = await Promise.all([lastEvent(unread[0]), lastEvent(unread[1])])
        const { stdout, ...end } = first.data
        expect({ event: first.event, end }).toMatchObject({
          event: "result",
          end: { exitCode: 0, stdoutTruncated: true },
        })
        expect(String(stdout).length).toBe(8 * mebibyte)
        expect([second.event, second.data["code"]]).toEqual(["error", "timeout"])
      } finally {
        for (const response of unread) response.destroy()
      }
    },
  )
})

/** Reads an answer of events to its end. */
async function lastEvent(
  response: IncomingMessage,
): Promise<{ event: string; data: Record<string, unknown> }> {
  let text = ""
  response.socket.resume()
  for await (const chunk of response) text += String(chunk)
  const [event = "", data = ""] = text.trimEnd().split("\n\n").at(-1)?.split("\n") ?? []
  return {
    event: event.replace("event: ", ""),
    data: JSON.parse(data.replace("data: ", "")) as Record<string, unknown>,
  }
}

describe("a command that nobody waits for any more", () => {
  test("is killed with everything, and takes no snapshot", async () => {
    const sandbox = await server.create()
    const stop = new AbortController()
    const running = sandbox.run("touch started; setsid sleep 5001 & trap '' TERM; sleep 5002", {
      signal: stop.signal,
      timeout: 600,
    })
    await holds(sandbox, "test -e started")
    stop.abort()
    expect(failed(await running).code).toBe("aborted")
    await holds(sandbox, "! pgrep -x sleep")
    expect(await commandsOf(sandbox)).toEqual([null])
    expect(succeeded(await sandbox.run("ls")).stdout).toBe("started\n")
  })

  test("is killed in the middle of its output too, also when a listener failed", async () => {
    const sandbox = await server.create()
    const stop = new AbortController()
    const aborted = sandbox.run("yes", {
      signal: stop.signal,
      onStdout: () => {
        stop.abort()
      },
    })
    expect(failed(await aborted).code).toBe("aborted")
    const trouble = new Error("the listener's own")
    const broken = sandbox.run("yes", { onStdout: () => Promise.reject(trouble) })
    await expect(broken).rejects.toBe(trouble)
    await holds(sandbox, "! pgrep -x yes")
    expect(await commandsOf(sandbox)).toEqual([null])
  })

  test("leaves nothing, 500 times", { timeout: 300_000 }, async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("true"))
    const before = openFiles()
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 25 }, async (_, index) => {
          const stop = new AbortController()
          const onStdout = () => {
            stop.abort()
          }
          // Some go before their command has begun, others when it prints.
          const running = sandbox.run("echo begun; exec sleep 6000", {
            signal: stop.signal,
            timeout: 600,
            ...(index % 2 === 0 && { onStdout }),
          })
          if (index % 2 === 1) setTimeout(onStdout, 4 * index)
          expect(failed(await running).code).toBe("aborted")
        }),
      )
    }
    await holds(sandbox, "! pgrep -x sleep")
    await eventually("the connections to be closed", soonMs, () =>
      openFiles() <= before + 2 ? true : undefined,
    )
    expect(succeeded(await sandbox.run("ls /sys/fs/cgroup | grep -c ^cmd-")).stdout).toMatch(/^\d\n$/)
  })
})
