import { connect } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { RunningMachine } from "./machines.js"

/** Gives a machine's monitor commands, one after the other, while no server does; answers what each returned. */
export async function monitor(
  dataDirectory: string,
  machine: RunningMachine,
  commands: { execute: string; arguments?: Record<string, unknown> }[],
): Promise<unknown[]> {
  const socket = connect(join(dataDirectory, "machines", machine.id, "qmp"))
  const answers: unknown[] = []
  const waiting = [{ execute: "qmp_capabilities" }, ...commands]
  let asked = 0
  try {
    for await (const line of createInterface({ input: socket })) {
      const message = JSON.parse(line) as { QMP?: unknown; id?: number; return?: unknown; error?: unknown }
      // What a server asked that died meanwhile is answered here, too.
      if (!("QMP" in message) && message.id !== asked) continue
      if (message.error !== undefined) throw new Error(`the monitor refused: ${line}`)
      if ("return" in message) answers.push(message.return)
      const next = waiting.shift()
      if (next === undefined) return answers.slice(1)
      asked += 1
      socket.write(`${JSON.stringify({ ...next, id: asked })}\n`)
    }
  } finally {
    socket.destroy()
  }
  throw new Error("the monitor hung up")
}
