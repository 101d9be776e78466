import { randomUUID } from "node:crypto"
import { Hono, type Context } from "hono"
import { isContent, type AnswerContent, type Route, type RouteName, routes } from "opensandbox/contract"
import type { Logger } from "pino"
import { Failure } from "../failure.js"
import { authenticate } from "./authentication.js"
import { readBody } from "./body.js"
import type { AnyHandler } from "./call.js"
import { crossOrigin } from "./cross-origin.js"
import { errorAnswer } from "./errors.js"
import {
  acceptsEventStream,
  eventHeaders,
  eventSource,
  type EventProducer,
  type EventSink,
} from "./event-source.js"
import { createHandlers, type HandlerParts } from "./handlers.js"
import type { InFlight } from "./in-flight.js"
import { readQuery } from "./query.js"
import { sent } from "./transfer.js"
import { beforeTheRest } from "./unread-body.js"
import { validated } from "./validation.js"

interface AppParts extends HandlerParts {
  inFlight: InFlight
  log: Logger
  /** The origins whose web pages may use the API. */
  allowedOrigins: readonly string[]
}

interface AppEnvironment {
  Bindings: {
    /** Set where only this sandbox may be spoken to: nothing else is found there. */
    onlySandbox?: string
  }
  Variables: { requestId: string }
}

export type App = Hono<AppEnvironment>
type AppContext = Context<AppEnvironment>

/** The HTTP API: every route of the contract, taken from admission to answer in one place. */
export function createApp({ inFlight, log, allowedOrigins, ...parts }: AppParts): App {
  const app: App = new Hono()
  const handlers = createHandlers(parts)

  app.use(async (context, next) => {
    const startedAt = performance.now()
    const requestId = randomUUID()
    context.set("requestId", requestId)
    await next()
    context.header("x-request-id", requestId)
    // One that stays open would hold up the end of the server, and one with the rest of a large body still in it is
    // of no use for another request.
    if (inFlight.stopping || context.res.status === 413) context.header("connection", "close")
    const { method, path } = context.req
    const ms = Math.round(performance.now() - startedAt)
    log.info({ requestId, method, path, status: context.res.status, ms }, "request")
  })
  if (allowedOrigins.length > 0) app.use(crossOrigin(allowedOrigins))
  for (const name of Object.keys(routes) as RouteName[]) {
    const route: Route = routes[name]
    app.on(route.method, route.path, (context) => answer(context, route, handlers[name] as AnyHandler))
  }
  app.notFound((context) => refuse(context, nothingHere(context)))
  app.onError((error, context) => refuse(context, error))
  return app

  async function answer(context: AppContext, route: Route, handler: AnyHandler): Promise<Response> {
    const { onlySandbox } = context.env
    if (onlySandbox !== undefined && route.auth !== "none" && context.req.param("name") !== onlySandbox) {
      throw nothingHere(context)
    }
    // Content would be made only to be thrown away.
    if (context.req.method === "HEAD" && isContent(route.response)) throw nothingHere(context)
    const principal = await authenticate(parts.keyring, route.auth, context.req.header("x-api-key"))
    const params = route.params && validated(route.params, context.req.param())
    const query = route.query && validated(route.query, readQuery(context.req.url))
    const headers = route.headers && validated(route.headers, context.req.header())
    const body = route.body && (await readBody(route.body, context.req.raw, route.maxJsonBytes))
    let timings: Record<string, number> = {}
    const reportTimings = (reported: Record<string, number>) => {
      timings = reported
    }
    let { status } = route
    const answer200 = () => {
      status = 200
    }
    const errorData = (error: unknown) => errorBody(context, error)
    const events = (produce: EventProducer) => eventSource(produce, { errorData, stopping: inFlight.stopped })
    const callWith = (emit: EventSink["send"] | undefined) => ({
      ...{ principal, params, query, headers, body, reportTimings, events, answer200, emit },
      // Made only for those who ask: most answers are out before anybody could go.
      get signal() {
        return context.req.raw.signal
      },
    })
    const work = (emit?: EventSink["send"]) => inFlight.run(() => handler(callWith(emit)))
    if (route.eventStream === true && acceptsEventStream(context.req.raw)) {
      const outcome: EventProducer = async ({ send }) => ({ name: "result", data: await work(send) })
      return new Response(eventSource(outcome, { errorData }), { headers: eventHeaders })
    }
    const data = await work()
    if (Object.keys(timings).length > 0) context.header("server-timing", serverTiming(timings))
    if (!isContent(route.response)) return context.json(data as object, status)
    context.header("content-type", route.response.mediaType)
    return context.body(content(context, data as AnswerContent), status)
  }

  /** Content as the answer's body; a stream is sent as it comes. */
  function content(context: AppContext, data: AnswerContent): AnswerContent {
    if (!(data instanceof ReadableStream)) return data
    context.header("transfer-encoding", "chunked")
    const requestId = context.get("requestId")
    return sent(data, (error) => log.warn({ err: error, requestId }, "an answer broke off"))
  }

  function refuse(context: AppContext, error: unknown): Response {
    const { status, body } = errorAnswer(error, log, context.get("requestId"))
    const unread = status === 413 ? context.req.raw.body : null
    if (unread === null || unread.locked) return context.json(body, status)
    const text = new TextEncoder().encode(JSON.stringify(body))
    context.header("content-type", "application/json")
    context.header("content-length", String(text.length))
    return context.body(beforeTheRest(text, unread), status)
  }

  function errorBody(context: AppContext, error: unknown) {
    return errorAnswer(error, log, context.get("requestId")).body
  }
}

function nothingHere(context: AppContext): Failure {
  return new Failure("not_found", `There is nothing at ${context.req.method} ${context.req.path}.`)
}

function serverTiming(timings: Record<string, number>): string {
  return Object.entries(timings)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(", ")
}
