import type { RouteAnswer, RouteBody } from "opensandbox/contract"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import type { Call } from "./call.js"
import { OutputEvents } from "./output-events.js"

/** Runs a command for a caller, who may want to hear its output while it runs, and without whom it is killed. */
export async function runCommand(
  service: SandboxService,
  { principal, params, body, reportTimings, emit, signal }: Call<"runCommand">,
): Promise<RouteAnswer<"runCommand">> {
  const { timeout, stdin, stream, ...request } = body
  const listener = stream && emit !== undefined ? new OutputEvents(emit, body.encoding) : undefined
  try {
    const { answer, timings } = await service.run(
      principal.ownerId,
      params.name,
      { ...request, timeoutSeconds: timeout, stdin: stdin === undefined ? undefined : bytesOf(stdin) },
      { signal, listener },
    )
    reportTimings({ guest: timings.guestMs, sync: timings.syncMs, snapshot: timings.snapshotMs })
    return answer
  } finally {
    listener?.end()
  }
}

function bytesOf(stdin: NonNullable<RouteBody<"runCommand">["stdin"]>): Uint8Array {
  return typeof stdin === "string" ? Buffer.from(stdin) : Buffer.from(stdin.base64, "base64")
}
