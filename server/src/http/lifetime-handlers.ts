import type { RouteName } from "opensandbox/contract"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import type { Handlers } from "./call.js"

type LifetimeRoute = Extract<RouteName, "pauseVm" | "resumeVm" | "setLifetime">

/** What the routes do that pause sandboxes, or say when that is to happen. */
export function lifetimeHandlers(
  service: () => Pick<SandboxService, "pause" | "resume" | "setLifetime">,
): Pick<Handlers, LifetimeRoute> {
  return {
    pauseVm: ({ principal, params }) => service().pause(principal.ownerId, params.name),
    resumeVm: ({ principal, params }) => service().resume(principal.ownerId, params.name),
    setLifetime: ({ principal, params, body }) => service().setLifetime(principal.ownerId, params.name, body),
  }
}
