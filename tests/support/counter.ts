import type { Sandbox } from "opensandbox"
import { eventually } from "./eventually.js"
import { succeeded } from "./results.js"

/** What a counter says of itself, at one instant. */
export interface Count {
  /** What it has in memory. */
  readonly memory: number
  /** What is in the file that it writes at each step. */
  readonly disk: number
  /** What only it knows, and knows only by having been there. */
  readonly secret: string
}

/** How long a counter may take to begin, or an answer of it, on a busy machine. */
const answerMs = 60_000

/** Counts in memory and on the disk, and says over a socket how far it is. */
const program = `
import os, socket
secret = os.urandom(8).hex()
server = socket.socket(socket.AF_UNIX)
server.bind("/run/counter")
server.listen()
server.settimeout(0.05)
count = 0
while True:
    count += 1
    with open("/workspace/count.new", "w") as file:
        file.write(str(count))
        file.flush()
        os.fsync(file.fileno())
    os.rename("/workspace/count.new", "/workspace/count")
    try:
        connection, _ = server.accept()
    except TimeoutError:
        continue
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("1")
    with open("/workspace/count") as file:
        connection.sendall(f"{count} {file.read()} {secret}".encode())
    connection.close()
`

const question = `python3 -c 'import socket
server = socket.socket(socket.AF_UNIX)
server.connect("/run/counter")
print(server.makefile().read())'`

/** Starts a counter in a sandbox. @returns its process's number, once it counts. */
export async function startCounter(sandbox: Sandbox): Promise<number> {
  succeeded(await sandbox.files.write("counter.py", program))
  const { process } = succeeded(await sandbox.start("python3 counter.py"))
  await eventually("the counter to begin", answerMs, () => askCounter(sandbox))
  return process.pid
}

/** Asks a sandbox's counter, without a snapshot. @returns undefined when there is none. */
export async function askCounter(sandbox: Sandbox): Promise<Count | undefined> {
  const { exitCode, stdout } = succeeded(await sandbox.run(question, { snapshot: false, timeout: 60 }))
  if (exitCode !== 0) return undefined
  const [memory, disk, secret = ""] = stdout.trim().split(" ")
  return { memory: Number(memory), disk: Number(disk), secret }
}

/**
 * Waits until a counter has counted on.
 *
 * @param before What it said earlier.
 * @throws Error when it is another one, or its memory and disk do not agree.
 */
export async function countsOn(sandbox: Sandbox, before: Count): Promise<Count> {
  return eventually("the counter to count on", answerMs, async () => {
    const count = await askCounter(sandbox)
    if (count?.secret !== before.secret || count.disk !== count.memory)
      throw new Error(`it says ${JSON.stringify(count)}, and said ${JSON.stringify(before)}`)
    return count.memory > before.memory ? count : undefined
  })
}
