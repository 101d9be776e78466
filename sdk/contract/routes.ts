import type { z } from "zod"
import * as content from "./content.js"
import { maxRunJsonBytes } from "./limits.js"
import type { Route } from "./route.js"
import { lifetimeRoutes } from "./routes/lifetime.js"
import { portRoutes } from "./routes/ports.js"
import { processRoutes } from "./routes/processes.js"
import { fileRoutes } from "./routes/files.js"
import { directoryRoutes } from "./routes/directories.js"
import * as schemas from "./schemas/index.js"

const forkErrors = [
  "invalid_request",
  "not_found",
  "already_exists",
  "busy",
  "too_large",
  "limit_reached",
  "quota_exceeded",
  "damaged",
  "disk_full",
  "timeout",
] as const

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
  getMetrics: {
    method: "GET",
    path: "/metrics",
    auth: "admin",
    response: content.metrics,
    status: 200,
    errors: [],
    summary: "Get the server's metrics in the text format of Prometheus",
  },
  createVm: {
    method: "POST",
    path: "/vms",
    auth: "key",
    body: schemas.createRequest,
    response: schemas.vmInfo,
    status: 201,
    when200: "The sandbox that the request wanted to reuse, as it is.",
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
    maxJsonBytes: maxRunJsonBytes,
    response: schemas.runAnswer,
    status: 200,
    errors: [
      "invalid_request",
      "not_found",
      "busy",
      "interrupted",
      "aborted",
      "too_large",
      "limit_reached",
      "quota_exceeded",
      "damaged",
      "disk_full",
      "timeout",
    ],
    eventStream: true,
    summary: "Run a shell command to its end, then take a snapshot unless the request wants none",
  },
  openTerminal: {
    method: "POST",
    path: "/vms/:name/terminal",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.terminalRequest,
    response: schemas.terminalTicket,
    status: 201,
    errors: ["invalid_request", "not_found", "too_large", "limit_reached"],
    summary:
      "Get a ticket for a terminal, which opens as a WebSocket; a snapshot is taken when its shell has ended",
  },
  wipeVm: {
    method: "POST",
    path: "/vms/:name/wipe",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "damaged", "disk_full", "timeout"],
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
  takeSnapshot: {
    method: "POST",
    path: "/vms/:name/snapshots",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.snapshotRequest,
    response: schemas.snapshot,
    status: 201,
    errors: [
      "invalid_request",
      "not_found",
      "already_exists",
      "busy",
      "too_large",
      "quota_exceeded",
      "damaged",
      "disk_full",
      "timeout",
    ],
    summary: "Take a snapshot of the present",
  },
  deleteSnapshot: {
    method: "DELETE",
    path: "/vms/:name/snapshots/:snapshot",
    auth: "key",
    params: schemas.snapshotParams,
    response: schemas.message,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "disk_full"],
    summary: "Delete a snapshot; the others are unharmed, and `initial` stays",
  },
  restoreSnapshot: {
    method: "POST",
    path: "/vms/:name/snapshots/:snapshot/restore",
    auth: "key",
    params: schemas.snapshotParams,
    body: schemas.restoreRequest,
    response: schemas.restoreAnswer,
    status: 200,
    errors: [
      "invalid_request",
      "not_found",
      "busy",
      "too_large",
      "limit_reached",
      "damaged",
      "disk_full",
      "timeout",
    ],
    summary:
      "Return to a snapshot; all snapshots after it are deleted, and all processes end but those that are in the snapshot",
  },
  undo: {
    method: "POST",
    path: "/vms/:name/undo",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.undoAnswer,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "damaged", "disk_full", "timeout"],
    summary: "Return to the snapshot before the newest one, which is deleted",
  },
  readSnapshotFile: {
    method: "GET",
    path: "/vms/:name/snapshots/:snapshot/file",
    auth: "key",
    params: schemas.snapshotParams,
    query: schemas.fileQuery,
    response: content.file,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "too_large", "damaged", "disk_full", "timeout"],
    summary: "Read a file of at most 64 MiB as it was in a snapshot",
  },
  ...fileRoutes,
  diff: {
    method: "GET",
    path: "/vms/:name/diff",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.diffQuery,
    response: schemas.diff,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "damaged", "disk_full", "timeout"],
    summary: "Compare the files of two snapshots, or of a snapshot and the present",
  },
  forkVm: {
    method: "POST",
    path: "/vms/:name/fork",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.forkRequest,
    response: schemas.vmInfo,
    status: 201,
    errors: forkErrors,
    summary: "Make a new sandbox from a snapshot of this one, or from its present",
  },
  forkVms: {
    method: "POST",
    path: "/vms/:name/forks",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.forksRequest,
    response: schemas.vmList,
    status: 201,
    errors: forkErrors,
    summary: "Make new sandboxes from a snapshot of this one, or from its present: all of them or none",
  },
  getRetention: {
    method: "GET",
    path: "/vms/:name/retention",
    auth: "key",
    params: schemas.vmParams,
    response: schemas.retentionStatus,
    status: 200,
    errors: ["invalid_request", "not_found"],
    summary: "Get the limits on a sandbox's snapshots and disk, and what it takes",
  },
  setRetention: {
    method: "PUT",
    path: "/vms/:name/retention",
    auth: "key",
    params: schemas.vmParams,
    body: schemas.retentionRequest,
    response: schemas.retentionStatus,
    status: 200,
    errors: ["invalid_request", "not_found", "too_large", "disk_full"],
    summary: "Set the limits on a sandbox's snapshots and disk; snapshots beyond them are deleted",
  },
  exportVm: {
    method: "GET",
    path: "/vms/:name/export",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.exportQuery,
    response: content.archive,
    status: 200,
    errors: ["invalid_request", "not_found", "busy", "damaged", "disk_full", "timeout"],
    summary: "Get the files of a snapshot of a sandbox, or of its present, as an archive; memory is left out",
  },
  importVm: {
    method: "POST",
    path: "/vms/:name/import",
    auth: "key",
    params: schemas.vmParams,
    body: content.archive,
    response: schemas.vmInfo,
    status: 201,
    errors: ["invalid_request", "already_exists", "too_large", "limit_reached", "disk_full", "timeout"],
    eventStream: true,
    summary: "Make a sandbox of an archive, which is verified first",
  },
  ...lifetimeRoutes,
  ...portRoutes,
  ...processRoutes,
  ...directoryRoutes,
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

type Part = "params" | "query" | "headers" | "body"

type Parsed<Name extends RouteName, P extends Part> =
  (typeof routes)[Name] extends Record<P, infer Shape>
    ? Shape extends z.ZodType
      ? z.output<Shape>
      : ReadableStream<Uint8Array>
    : undefined

/** What a route's path parameters are after validation; undefined when it has none. */
export type RouteParams<Name extends RouteName> = Parsed<Name, "params">

/** What a route's query parameters are after validation, defaults filled in; undefined when it has none. */
export type RouteQuery<Name extends RouteName> = Parsed<Name, "query">

/** What the headers are after validation that a route heeds; undefined when it heeds none. */
export type RouteHeaders<Name extends RouteName> = Parsed<Name, "headers">

/** What a route's body is after validation, defaults filled in; a stream of content; undefined when it has none. */
export type RouteBody<Name extends RouteName> = Parsed<Name, "body">

/** The JSON of a route's success, or its content. */
export type RouteAnswer<Name extends RouteName> = (typeof routes)[Name]["response"] extends infer Shape
  ? Shape extends z.ZodType
    ? z.output<Shape>
    : AnswerContent
  : never

/** Content as a handler gives it. */
export type AnswerContent = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
