import type { Route } from "../route.js"
import * as schemas from "../schemas/index.js"

/** The operations on how long a sandbox's machine runs, and the sandbox lives. */
export const lifetimeRoutes = {
  pauseVm: {
    method: "POST",
    path: "/vms/:name/pause",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.vmInfo,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "disk_full", "timeout"],
    summary: "Put a sandbox's memory on the disk and end its machine, until it is used again",
  },
  resumeVm: {
    method: "POST",
    path: "/vms/:name/resume",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.vmInfo,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "damaged", "disk_full", "timeout"],
    summary: "Have a sandbox's machine run, with its memory and processes where it was paused",
  },
  setLifetime: {
    method: "PATCH",
    path: "/vms/:name",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.lifetimeRequest,
    response: schemas.vmInfo,
    status: 200,
    errors: ["invalid_request", "not_found", "too_large", "disk_full"],
    summary: "Set when a sandbox is paused and destroyed by itself",
  },
} as const satisfies Record<string, Route>
