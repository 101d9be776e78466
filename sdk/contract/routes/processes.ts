import * as content from "../content.js"
import type { Route } from "../route.js"
import * as schemas from "../schemas/index.js"

const processErrors = ["invalid_request", "not_found", "busy", "timeout"] as const

/** Processes that go on in the background. */
export const processRoutes = {
  startProcess: {
    method: "POST",
    path: "/vms/:name/processes",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.startRequest,
    response: schemas.processInfo,
    status: 201,
    errors: [...processErrors, "too_large", "limit_reached", "quota_exceeded", "damaged", "disk_full"],
    summary: "Start a shell command that goes on in the background; no snapshot is taken when it ends",
  },
  listProcesses: {
    method: "GET",
    path: "/vms/:name/processes",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.processList,
    status: 200,
    errors: processErrors,
    summary:
      "List the processes that were started in the background: those that run and those that ended last",
  },
  getProcess: {
    method: "GET",
    path: "/vms/:name/processes/:process",
    auth: "key",
    params: schemas.processParams,
    response: schemas.processInfo,
    status: 200,
    errors: processErrors,
    summary: "Get the state of a process",
  },
  readProcessOutput: {
    method: "GET",
    path: "/vms/:name/processes/:process/output",
    auth: "key",
    params: schemas.processParams,
    query: schemas.outputQuery,
    headers: schemas.outputHeaders,
    response: content.processEvents,
    status: 200,
    errors: processErrors,
    summary:
      "Get what a process prints, the last 1 MiB of what it has printed first; a reader that lost its connection goes on " +
      "after the last event that it has",
  },
  writeProcessInput: {
    method: "POST",
    path: "/vms/:name/processes/:process/stdin",
    auth: "key",
    params: schemas.processParams,
    query: schemas.inputQuery,
    body: content.processInput,
    response: schemas.inputAnswer,
    status: 200,
    errors: processErrors,
    summary: "Write to the standard input of a process",
  },
  signalProcess: {
    method: "POST",
    path: "/vms/:name/processes/:process/signal",
    auth: "key",
    params: schemas.processParams,
    body: schemas.signalRequest,
    response: schemas.message,
    status: 200,
    errors: [...processErrors, "too_large"],
    summary: "Send a signal to a process",
  },
  resizeProcess: {
    method: "POST",
    path: "/vms/:name/processes/:process/resize",
    auth: "key",
    params: schemas.processParams,
    body: schemas.resizeRequest,
    response: schemas.message,
    status: 200,
    errors: [...processErrors, "too_large"],
    summary: "Change the size of a process's terminal",
  },
} as const satisfies Record<string, Route>
