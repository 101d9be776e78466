import type { Process } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"

const count = 200

/** Says what time it is in the guest, in nanoseconds: at each line that it reads, and between them by itself. */
const clock = `python3 -c '
import os, sys, threading, time
def say(kind):
    # In one piece, as both threads write.
    os.write(1, b"%s %d\\n" % (kind.encode(), time.time_ns()))
def tick():
    while True:
        time.sleep(0.05)
        say("tick")
threading.Thread(target=tick, daemon=True).start()
for line in sys.stdin:
    say("echo")
'`

export const stream: Benchmark = {
  title: "the way of output to the SDK",
  measure: async ({ client }) => {
    const { sandbox } = expectSuccess(await client.create("stream"))
    const { process } = expectSuccess(await sandbox.start(clock))
    const values = await delays(process)
    expectSuccess(await sandbox.destroy())
    return [{ what: "output written until the SDK has it, at most", unit: "ms", values, target: 5 }]
  },
}

/**
 * How long output took at most, in milliseconds. The guest has a clock of its own. A line that was sent to it cannot have
 * come before it was sent: so the smallest difference seen bounds by how much the clock is ahead, and with it each delay.
 */
async function delays(process: Process): Promise<number[]> {
  let sentAt = now()
  let ahead = Number.POSITIVE_INFINITY
  const ticks: { written: number; seen: number }[] = []
  expectSuccess(await process.stdin.write("\n"))
  let rest = ""
  for await (const text of process.stdout) {
    const seen = now()
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) {
      const [kind, nanoseconds] = line.split(" ")
      const written = Number(nanoseconds) / 1e6
      if (kind === "tick") ticks.push({ written, seen })
      else {
        ahead = Math.min(ahead, written - sentAt)
        sentAt = now()
        // Not awaited: the answer may be there before the call is over.
        void process.stdin.write("\n")
      }
    }
    if (ticks.length >= count) break
  }
  return ticks.map(({ written, seen }) => seen - (written - ahead))
}

/** Milliseconds since 1970, with fractions. */
const now = () => performance.timeOrigin + performance.now()
