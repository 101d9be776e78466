import type { OutputPiece } from "@opensandbox/vm"
import type { RouteName } from "opensandbox/contract"
import type { Handlers } from "../http/call.js"
import type { ServerEvent } from "../http/event-source.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"

type ProcessRoute = Extract<RouteName, `${string}Process${string}`>

/** What the routes of processes do. */
export function processHandlers(service: () => SandboxService): Pick<Handlers, ProcessRoute> {
  const processes = ({ principal, params }: Addressed) => service().processes(principal.ownerId, params.name)

  return {
    startProcess: (call) => processes(call).start(call.body),
    listProcesses: async (call) => ({ processes: await processes(call).list() }),
    getProcess: (call) => processes(call).get(call.params.process),
    readProcessOutput: async (call) => {
      let listen!: (send: (event: ServerEvent) => Promise<void>) => void
      const listening = new Promise<(event: ServerEvent) => Promise<void>>((resolve) => (listen = resolve))
      const request = { ...call.query, offset: call.headers["last-event-id"] ?? call.query.offset }
      const reading = await processes(call).read(call.params.process, request, async (piece) =>
        (await listening)(eventOf(piece)),
      )
      return call.events(async ({ send, signal }) => {
        signal.addEventListener("abort", reading.cancel, { once: true })
        listen(send)
        const end = await reading.ended
        signal.throwIfAborted()
        return end === undefined ? { name: "replayed", data: {} } : { name: "exit", data: end }
      })
    },
    writeProcessInput: async (call) => ({
      written: await processes(call).write(call.params.process, call.body, call.query.end),
    }),
    signalProcess: async (call) => {
      const { process } = call.params
      await processes(call).signal(process, call.body.signal)
      return { message: `Process ${process.pid} was sent ${call.body.signal}` }
    },
    resizeProcess: async (call) => {
      const { process } = call.params
      const { cols, rows } = call.body
      await processes(call).resize(process, call.body)
      return { message: `The terminal of process ${process.pid} has ${cols} columns and ${rows} rows` }
    },
  }
}

/** What a call names a sandbox by. */
interface Addressed {
  principal: { ownerId: number }
  params: { name: string }
}

function eventOf(piece: OutputPiece): ServerEvent {
  const id = String(piece.next)
  if (piece.kind === "skipped") return { id, name: "skipped", data: { bytes: piece.count } }
  const { buffer, byteOffset, byteLength } = piece.bytes
  const base64 = Buffer.from(buffer, byteOffset, byteLength).toString("base64")
  return { id, name: piece.kind, data: { base64 } }
}
