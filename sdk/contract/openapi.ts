import { z } from "zod"
import { errorCodes, type ErrorCode } from "./error-codes.js"
import type { Content } from "./content.js"
import { commonErrors, isContent, type Route } from "./route.js"
import { routes } from "./routes.js"
import * as schemas from "./schemas/index.js"

type Json = Record<string, unknown>

/** An OpenAPI 3.1 document, ready for JSON.stringify. */
export interface OpenApiDocument {
  openapi: string
  info: Json
  paths: Record<string, Json>
  components: Json
}

const components = {
  VMInfo: schemas.vmInfo,
  VMList: schemas.vmList,
  Snapshot: schemas.snapshot,
  SnapshotList: schemas.snapshotList,
  CreateRequest: schemas.createRequest,
  NetworkPolicy: schemas.networkPolicy,
  Change: schemas.change,
  Diff: schemas.diff,
  FileInfo: schemas.fileInfo,
  FileList: schemas.fileList,
  FilesChanged: schemas.filesChanged,
  DirectoryRequest: schemas.directoryRequest,
  RenameRequest: schemas.renameRequest,
  CopyRequest: schemas.copyRequest,
  AttributesRequest: schemas.attributesRequest,
  ForkRequest: schemas.forkRequest,
  ForksRequest: schemas.forksRequest,
  SnapshotRequest: schemas.snapshotRequest,
  RestoreRequest: schemas.restoreRequest,
  RestoreAnswer: schemas.restoreAnswer,
  UndoAnswer: schemas.undoAnswer,
  LifetimeRequest: schemas.lifetimeRequest,
  RetentionRequest: schemas.retentionRequest,
  RetentionStatus: schemas.retentionStatus,
  RunRequest: schemas.runRequest,
  RunAnswer: schemas.runAnswer,
  Port: schemas.port,
  PortList: schemas.portList,
  PortRequest: schemas.portRequest,
  LinkRequest: schemas.linkRequest,
  PortLink: schemas.portLink,
  WaitForPortRequest: schemas.waitForPortRequest,
  StartRequest: schemas.startRequest,
  ProcessInfo: schemas.processInfo,
  ProcessList: schemas.processList,
  InputAnswer: schemas.inputAnswer,
  SignalRequest: schemas.signalRequest,
  ResizeRequest: schemas.resizeRequest,
  TerminalRequest: schemas.terminalRequest,
  TerminalTicket: schemas.terminalTicket,
  TerminalResize: schemas.terminalResize,
  TerminalMessage: schemas.terminalMessage,
  DirectorySize: schemas.directorySize,
  UnpackAnswer: schemas.unpackAnswer,
  Message: schemas.message,
  Health: schemas.health,
  CreateKeyRequest: schemas.createKeyRequest,
  KeyInfo: schemas.keyInfo,
  NewKey: schemas.newKey,
  KeyList: schemas.keyList,
  OpenApi: schemas.openApi,
  ErrorBody: schemas.errorBody,
}

const componentNames = new Map<z.ZodType, string>(
  Object.entries(components).map(([name, schema]) => [schema, name]),
)

/** The OpenAPI 3.1 description of every route. */
export function openApiDocument(): OpenApiDocument {
  const paths: Record<string, Json> = {}
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}")
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route) }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "OpenSandbox",
      version: "0.1.0",
      description: "Sandboxes that are real virtual machines, with a snapshot after every command.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: { apiKey: { type: "apiKey", in: "header", name: "x-api-key" } },
    },
  }
}

function operation(name: string, route: Route): Json {
  return {
    operationId: name,
    summary: route.summary,
    ...(route.eventStream === true && { description: eventStreamText }),
    security: route.auth === "none" ? [] : [{ apiKey: [] }],
    ...((route.params ?? route.query ?? route.headers) && {
      parameters: [
        ...parameters("path", route.params),
        ...parameters("query", route.query),
        ...parameters("header", route.headers),
      ],
    }),
    ...(route.body && { requestBody: requestBody(route.body) }),
    responses: {
      [route.status]: {
        description: route.response.description,
        content: { ...media(route.response), ...(route.eventStream === true && eventStream) },
      },
      ...(route.when200 !== undefined && {
        200: { description: route.when200, content: media(route.response) },
      }),
      ...errorResponses([...route.errors, ...commonErrors(route.auth)]),
    },
  }
}

const eventStreamText =
  "A request whose `Accept` includes `text/event-stream` is answered at once, with server-sent events: comments as a " +
  "heartbeat every 15 seconds, what the request asks for besides, then one event `result` with what would have been the answer as data, or one event " +
  "`error` with an ErrorBody. Use it for what may outlast an HTTP client's patience for response headers."

const eventStream = { "text/event-stream": { schema: { type: "string" } } }

function parameters(place: "path" | "query" | "header", schemas?: z.ZodObject): Json[] {
  return Object.entries(schemas?.shape ?? {}).map(([name, parameter]) => {
    const schema = parameter as z.ZodType
    const { description, ...rest } = jsonSchema(schema)
    return { name, in: place, required: !isOptional(schema), description, schema: rest }
  })
}

function requestBody(body: z.ZodType | Content): Json {
  if (isContent(body)) return { required: true, description: body.description, content: media(body) }
  return { required: !isOptional(body), content: media(body) }
}

const isOptional = (schema: z.ZodType) => schema.safeParse(undefined).success

function errorResponses(codes: readonly ErrorCode[]): Json {
  const texts = new Map<number, string[]>()
  for (const [code, { status, meaning }] of Object.entries(errorCodes)) {
    if (!codes.includes(code as ErrorCode)) continue
    texts.set(status, [...(texts.get(status) ?? []), `\`${code}\`: ${meaning}`])
  }
  const content = media(schemas.errorBody)
  return Object.fromEntries(
    [...texts].map(([status, lines]) => [status, { description: lines.join("\n\n"), content }]),
  )
}

function media(shape: z.ZodType | Content): Json {
  if (isContent(shape)) return { [shape.mediaType]: { schema: { type: "string", format: "binary" } } }
  const name = componentNames.get(shape)
  if (name === undefined) throw new Error("A route uses a schema that is not among the document's components")
  return { "application/json": { schema: { $ref: reference(name) } } }
}

const reference = (name: string) => `#/components/schemas/${name}`

function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [name, schema] of Object.entries(components)) registry.add(schema, { id: name })
  const generated = z.toJSONSchema(registry, { ...conversion, uri: reference }).schemas
  return Object.fromEntries(
    Object.entries(generated).map(([name, schema]) => [name, withoutIdentity(schema)]),
  )
}

const jsonSchema = (schema: z.ZodType): Json => withoutIdentity(z.toJSONSchema(schema, conversion))

/** `input`: what a client may send, so a field with a default is optional; answers are the same either way. */
const conversion = {
  io: "input",
  override: ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }) => {
    if (jsonSchema.format === "date-time") delete jsonSchema.pattern
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  },
} as const

function withoutIdentity(schema: Json): Json {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$schema" && key !== "$id"))
}
