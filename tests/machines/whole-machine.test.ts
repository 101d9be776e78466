import { execFile } from "node:child_process"
import { readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { DamagedMemoryError, type Machine } from "@opensandbox/vm"
import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { runIn, smallSize, TestRoom } from "../support/machine-room.js"

const patienceMs = 60_000

let room: TestRoom

beforeAll(async () => {
  room = await TestRoom.open()
})

afterAll(async () => {
  await room.close()
})

/**
 * A process that counts: in its own memory, which it tells over a socket, in a file on the disk, and in one in memory. They
 * change one after the other, so that at any instant the later ones are at most one behind.
 */
const counter = `
import os, socket, threading, time
count = 0
def serve():
    server = socket.socket(socket.AF_UNIX)
    server.bind("/tmp/counter")
    server.listen()
    while True:
        client, _ = server.accept()
        client.sendall(str(count).encode())
        client.close()
threading.Thread(target=serve, daemon=True).start()
while True:
    count += 1
    for path in ("/workspace/count", "/dev/shm/count"):
        with open(path + ".new", "w") as file:
            file.write(str(count))
        os.rename(path + ".new", path)
    time.sleep(0.02)
`

const ask = `python3 -c 'import socket
s = socket.socket(socket.AF_UNIX); s.connect("/tmp/counter"); print(s.recv(20).decode())'`

async function startCounter(machine: Machine): Promise<void> {
  await runIn(machine, `cat > /workspace/counter.py <<'EOT'${counter}EOT`)
  const start = "python3 /workspace/counter.py > /dev/null 2>&1 & echo $! > /dev/shm/pid"
  await runIn(machine, `${start}; until test -s /dev/shm/count; do sleep 0.01; done`)
}

/** What the process has counted to: by its own word, on the disk, in memory. */
async function counts(machine: Machine): Promise<number[]> {
  const stop = "kill -STOP $(cat /dev/shm/pid)"
  const read = "cat /workspace/count; echo; cat /dev/shm/count; echo; kill -CONT $(cat /dev/shm/pid)"
  const [disk = "", memory = ""] = (await runIn(machine, `${stop}; ${read}`)).split("\n")
  return [Number(await runIn(machine, ask)), Number(disk), Number(memory)]
}

test("a machine goes on where another one stood still: processes, memory, disk and sockets agree", async () => {
  const machine = await room.start()
  await startCounter(machine)
  const kept = await room.keep(machine)
  const after = Math.max(...(await counts(machine)))
  await machine.kill()
  const again = await room.resume(kept)
  const [told = 0, disk = 0, memory = 0] = await counts(again)
  expect(disk - memory).toBeGreaterThanOrEqual(0)
  expect(disk - memory).toBeLessThanOrEqual(1)
  expect(told).toBeGreaterThanOrEqual(disk)
  // It went on from the instant, which was before what the other one counted to.
  expect(disk).toBeGreaterThan(0)
  await eventually("the count to go on", patienceMs, async () =>
    (await counts(again)).every((count) => count > after) ? true : undefined,
  )
  await again.kill()
})

test("two machines that are made of one instant are two: names, clock, random numbers, and what they do then", async () => {
  const machine = await room.start()
  const numbers = "/dev/shm/numbers"
  await runIn(
    machine,
    `(while true; do head -c 16 /dev/urandom | od -An -tx1 >> ${numbers}; done) > /dev/null 2>&1 & until test -s ${numbers}; do sleep 0.01; done`,
  )
  const kept = await room.keep(machine)
  const known = Number(await runIn(machine, `wc -l < ${numbers}`))
  await machine.kill()
  const names = [
    { hostname: "second", machineId: "b".repeat(32) },
    { hostname: "third", machineId: "c".repeat(32) },
  ]
  const machines = await Promise.all(names.map((identity) => room.resume(kept, { identity })))
  const seen = await Promise.all(
    machines.map(async (machine) => {
      const before = Math.floor(Date.now() / 1000)
      const [hostname, machineId, time] = (
        await runIn(machine, "hostname; cat /etc/machine-id; date +%s")
      ).split("\n")
      expect(Number(time)).toBeGreaterThanOrEqual(before)
      return { hostname, machineId }
    }),
  )
  expect(seen).toEqual(names)
  const random = async (machine: Machine) =>
    eventually("more random numbers", patienceMs, async () => {
      const lines = (await runIn(machine, `cat ${numbers}`)).split("\n")
      return lines.length > known + 5 ? lines : undefined
    })
  const [one = [], other = []] = await Promise.all(machines.map(random))
  // One may have been on its way.
  expect(one.findIndex((line, at) => line !== other[at])).toBeLessThanOrEqual(known + 1)
  await Promise.all(machines.map((machine, at) => runIn(machine, `echo ${at} > /workspace/mine`)))
  expect(await Promise.all(machines.map((machine) => runIn(machine, "cat /workspace/mine")))).toEqual([
    "0",
    "1",
  ])
  for (const machine of machines) await machine.kill()
})

test("commands that run at the instant become processes, however much they print", async () => {
  const machine = await room.start()
  const chunks: number[] = new Array<number>(10).fill(0)
  const onStdout = (at: number) => () => {
    chunks[at] = (chunks[at] ?? 0) + 1
  }
  const printing = chunks.map((_, at) =>
    machine.exec(
      { command: `yes "line ${at}"`, sync: false },
      { onStdout: onStdout(at), onStderr: () => undefined },
    ),
  )
  const allPrint = async () => {
    const before = [...chunks]
    await eventually("all commands to print", patienceMs, () =>
      Promise.resolve(chunks.every((count, at) => count > (before[at] ?? 0)) ? true : undefined),
    )
  }
  const reading = machine.exec(
    { command: "read line; echo got $line; exit 7", stdin: true, sync: false },
    { onStdout: () => undefined, onStderr: () => undefined },
  )
  for (const execution of [...printing, reading]) execution.result.catch(() => undefined)
  await allPrint()
  const kept = await room.keep(machine)
  await allPrint()
  await machine.kill()

  const again = await room.resume(kept)
  const processes = await again.processes.list()
  expect(processes.filter(({ command, running }) => command.startsWith("yes ") && running)).toHaveLength(10)
  const reader = processes.find(({ command }) => command.startsWith("read line"))
  const pid = reader?.pid ?? 0
  const printed: string[] = []
  const output = again.processes.output({ pid }, { stdout: true, stderr: true, follow: true }, (piece) => {
    if (piece.kind !== "skipped") printed.push(Buffer.from(piece.bytes).toString())
  })
  await again.processes.write({ pid }, Buffer.from("this\n"), true)
  expect(await output.ended).toMatchObject({ exitCode: 7, signal: null })
  expect(printed.join("")).toBe("got this\n")
  for (const { pid } of processes.filter(({ command }) => command.startsWith("yes ")))
    await again.processes.signal({ pid }, "SIGKILL")
  await again.kill()
})

test("stores of later instants only what changed, and is resumed from all of them together", async () => {
  const machine = await room.start()
  for (let at = 0; at < 20; at++) await runIn(machine, `echo ${at} > /workspace/file; ls -la / | wc -l`)
  const first = await room.keep(machine)
  let last = first
  for (let at = 0; at < 3; at++) {
    await runIn(machine, "true")
    last = await room.keep(machine, last)
    expect(last.pages).toBeLessThan(first.pages / 2)
  }
  await runIn(machine, "echo last > /dev/shm/last")
  last = await room.keep(machine, last)
  expect(last.memories).toHaveLength(5)
  await machine.kill()
  for (const memory of last.memories) await room.room.memories.compress(memory)
  const again = await room.resume(last)
  expect(again.memory).toBe(last.memories.at(-1))
  expect(await runIn(again, "cat /workspace/file /dev/shm/last")).toBe("19\nlast")
  // And so are those that are taken of it.
  const further = await room.keep(again, last)
  expect(further.memories).toHaveLength(6)
  await again.kill()
  const earlier = await room.resume(first)
  expect(await runIn(earlier, "cat /dev/shm/last 2>&1 || true")).toMatch(/No such file/)
  await earlier.kill()
  const latest = await room.resume(further)
  expect(await runIn(latest, "cat /dev/shm/last")).toBe("last")
  await latest.kill()
})

test("never makes a machine of what was changed", async () => {
  const machine = await room.start()
  const kept = await room.keep(machine)
  await machine.kill()
  const path = room.room.memories.path(kept.memories[0] ?? "")
  const whole = await readFile(path)
  for (const at of [20, Math.floor(whole.length / 2), whole.length - 1]) {
    const changed = Buffer.from(whole)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    await writeFile(path, changed)
    await expect(room.resume(kept)).rejects.toThrow(DamagedMemoryError)
  }
  await rm(path)
  await expect(room.resume(kept)).rejects.toThrow("its file is missing")
  await writeFile(path, whole)
  await room.room.releaseTemplates(() => Promise.resolve(new Set()))
  await expect(room.resume(kept)).rejects.toThrow("the template that it rests on is missing")
  expect(await readdir(join(room.directory, "machines"))).toEqual([])
  await room.room.holdTemplate(machine.template)
  const again = await room.resume(kept)
  expect(await runIn(again, "echo well")).toBe("well")
  await again.kill()
})

test("a halted machine stands still until it is told to go on", async () => {
  const machine = await room.start()
  await startCounter(machine)
  const kept = await room.keep(machine, undefined, { halt: true })
  await machine.resume()
  const before = Math.max(...(await counts(machine)))
  await eventually("the count to go on", patienceMs, async () =>
    (await counts(machine)).every((count) => count > before) ? true : undefined,
  )
  await machine.kill()
  const again = await room.resume(kept)
  expect(Math.max(...(await counts(again)))).toBeGreaterThan(0)
  await again.kill()
})

test("a server that finds a machine standing still, because the one before it ended just then, has it go on", async () => {
  const later = await TestRoom.open()
  try {
    const script = fileURLToPath(new URL("../support/leave-halted.mjs", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [script, later.directory], {
      timeout: patienceMs,
    })
    const machine = await later.room.adopt(stdout, "none", smallSize)
    if (machine === undefined) throw new Error("the machine has ended")
    const count = async () => Number(await runIn(machine, "cat /dev/shm/count"))
    const before = await count()
    await eventually("the count to go on", patienceMs, async () =>
      (await count()) > before ? true : undefined,
    )
    await machine.kill()
  } finally {
    await later.close()
  }
})

test("a machine with more processors and a larger disk goes on as well", async () => {
  const large = await TestRoom.open({ diskBytes: 20 * 2 ** 30 })
  try {
    const size = { cpus: 2, memoryMiB: 640 }
    const machine = await large.start({ size })
    await startCounter(machine)
    const look = "nproc; df --output=size /workspace | tail -1; cat /sys/block/vdb/size"
    const before = await runIn(machine, look)
    const kept = await large.keep(machine)
    await machine.kill()
    const again = await large.resume(kept, { size })
    expect(await runIn(again, look)).toBe(before)
    expect(before).toMatch(/^2\n/)
    const count = Math.max(...(await counts(again)))
    await eventually("the count to go on", patienceMs, async () =>
      (await counts(again)).every((now) => now > count) ? true : undefined,
    )
    await again.kill()
  } finally {
    await large.close()
  }
})
