import type { z } from "zod"
import type { ErrorCode } from "./error-codes.js"
import * as schemas from "./schemas.js"

/** One operation of the wire. */
export interface Route {
  method: "GET" | "POST" | "DELETE"
  /** The path, with parameters as `:name`. */
  path: string
  /** Who may call: anyone, the holder of a key, or the holder of an admin key. */
  auth: "none" | "key" | "admin"
  /** The path's parameters, still as strings. */
  params?: z.ZodObject
  /** The JSON body; a route without one ignores what is sent. */
  body?: z.ZodObject
  /** The JSON of a success. */
  response: z.ZodObject
  /** The HTTP status of a success. */
  status: 200 | 201
  /** What can go wrong, beyond what can go wrong everywhere (see `commonErrors`). */
  errors: readonly ErrorCode[]
  /**
   * Whether a request that accepts `text/event-stream` is answered at once with server-sent events: comments
   * while it lasts, then one event `result` with the response, or one event `error` with the error body.
   */
  eventStream?: true
  summary: string
}

/** The operations, by name. */
export const routes = {
  getHealth: {
    method: "GET",
    path: "/health",
    auth: "none",
    response: schemas.health,
    status: 200,
    errors: [],
    summary: "Ask whether the server is up",
  },
  getOpenApi: {
    method: "GET",
    path: "/openapi.json",
    auth: "none",
    response: schemas.openApi,
    status: 200,
    errors: [],
    summary: "Get this document",
  },
  createVm: {
    method: "POST",
    path: "/vms",
    auth: "key",
    body: schemas.createRequest,
    response: schemas.vmInfo,
    status: 201,
    errors: ["invalid_request", "already_exists", "too_large", "limit_reached", "disk_full"],
    summary: "Create a sandbox",
  },
  listVms: {
    method: "GET",
    path: "/vms",
    auth: "key",
    response: schemas.vmList,
    status: 200,
    errors: [],
    summary: "List the key's sandboxes",
  },
  getVm: {
    method: "GET",
    path: "/vms/:name",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.vmInfo,
    status: 200,
    errors: ["invalid_request", "not_found"],
    summary: "Get a sandbox's state",
  },
  destroyVm: {
    method: "DELETE",
    path: "/vms/:name",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found", "busy"],
    summary: "Destroy a sandbox and all its snapshots, permanently",
  },
  runCommand: {
    method: "POST",
    path: "/vms/:name/run",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.runRequest,
    response: schemas.runAnswer,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "interrupted", "too_large", "disk_full", "timeout"],
    eventStream: true,
    summary: "Run a shell command to its end, then take a snapshot",
  },
  wipeVm: {
    method: "POST",
    path: "/vms/:name/wipe",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "disk_full", "timeout"],
    summary: "Remove all files in the workspace, without a snapshot",
  },
  listVmSnapshots: {
    method: "GET",
    path: "/vms/:name/snapshots",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.snapshotList,
    status: 200,
    errors: ["invalid_request", "not_found"],
    summary: "List a sandbox's snapshots by creation time",
  },
  listSnapshots: {
    method: "GET",
    path: "/snapshots",
    auth: "key",
    response: schemas.snapshotList,
    status: 200,
    errors: [],
    summary: "List the snapshots of all the key's sandboxes by creation time",
  },
  restoreSnapshot: {
    method: "POST",
    path: "/vms/:name/snapshots/:snapshot/restore",
    auth: "key",
    params: schemas.snapshotParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "disk_full", "timeout"],
    summary: "Return to a snapshot; all snapshots after it are deleted and all processes end",
  },
  createKey: {
    method: "POST",
    path: "/keys",
    auth: "admin",
    body: schemas.createKeyRequest,
    response: schemas.newKey,
    status: 201,
    errors: ["invalid_request", "too_large"],
    summary: "Make an API key; the answer is the only place where it is shown",
  },
  listKeys: {
    method: "GET",
    path: "/keys",
    auth: "admin",
    response: schemas.keyList,
    status: 200,
    errors: [],
    summary: "List the API keys",
  },
  revokeKey: {
    method: "DELETE",
    path: "/keys/:id",
    auth: "admin",
    params: schemas.keyParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found"],
    summary: "Revoke an API key",
  },
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof routes

type Parsed<Name extends RouteName, Part extends "params" | "body"> =
  (typeof routes)[Name] extends Record<Part, infer Schema extends z.ZodObject> ? z.output<Schema> : undefined

/** What a route's path parameters are after validation; undefined when it has none. */
export type RouteParams<Name extends RouteName> = Parsed<Name, "params">

/** What a route's body is after validation, defaults filled in; undefined when it has none. */
export type RouteBody<Name extends RouteName> = Parsed<Name, "body">

/** The JSON of a route's success. */
export type RouteAnswer<Name extends RouteName> = z.output<(typeof routes)[Name]["response"]>

/** The codes that any call of such a route can fail with. */
export function commonErrors(auth: Route["auth"]): ErrorCode[] {
  const everywhere: ErrorCode[] = ["internal", "unavailable"]
  if (auth === "none") return everywhere
  return ["unauthorized", ...(auth === "admin" ? (["forbidden"] as const) : []), ...everywhere]
}
