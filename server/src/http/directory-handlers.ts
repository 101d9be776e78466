import type { RouteName } from "opensandbox/contract"
import type { DirectoryService } from "../directories/directory-service.js"
import type { Principal } from "../keys/principal.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import type { Handlers } from "./call.js"

type DirectoryRoute = Extract<RouteName, "downloadTar" | "measureDirectory" | "uploadTar" | "watchDirectory">

/** What the routes of whole directories do. */
export function directoryHandlers(
  service: () => Pick<SandboxService, "directories">,
): Pick<Handlers, DirectoryRoute> {
  const directories = (call: { principal: Principal; params: { name: string } }): DirectoryService =>
    service().directories(call.principal.ownerId, call.params.name)

  return {
    downloadTar: (call) => directories(call).pack(call.query),
    measureDirectory: (call) => directories(call).measure(call.query),
    uploadTar: (call) => directories(call).unpack(call.query, call.body),
    watchDirectory: async (call) => {
      const watch = await directories(call).watch(call.query)
      return call.events(async ({ signal, send }) => {
        signal.addEventListener("abort", () => {
          watch.close()
        })
        if (signal.aborted) watch.close()
        await send({ name: "watching", data: {} })
        await watch.tell(async (events) => {
          for (const event of events) await send({ name: event.type, data: event })
        })
        signal.throwIfAborted()
        return { name: "end", data: {} }
      })
    },
  }
}
