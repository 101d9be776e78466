import type {
  RouteAnswer,
  RouteBody,
  RouteHeaders,
  RouteName,
  RouteParams,
  RouteQuery,
  routes,
} from "opensandbox/contract"
import type { Principal } from "../keys/principal.js"
import type { EventProducer, EventSink } from "./event-source.js"

/** A request that is known to be allowed and valid. */
export interface Call<Name extends RouteName> {
  principal: (typeof routes)[Name]["auth"] extends "none" ? undefined : Principal
  params: RouteParams<Name>
  query: RouteQuery<Name>
  headers: RouteHeaders<Name>
  body: RouteBody<Name>
  /** Tells the caller where the time went, in milliseconds. */
  reportTimings: (timings: Record<string, number>) => void
  /** Aborted when the client is gone before its answer is out. */
  readonly signal: AbortSignal
  /** Makes the content of an answer of events; see `eventSource`. */
  events: (produce: EventProducer) => ReadableStream<Uint8Array>
  /** Has the route's usual 201 replaced by 200, with the meaning that its `when200` has. */
  answer200: () => void
  /** Sends an event ahead of the answer; undefined where that is no event stream. */
  emit: EventSink["send"] | undefined
}

type Handler<Name extends RouteName> = (call: Call<Name>) => RouteAnswer<Name> | Promise<RouteAnswer<Name>>

/** One handler for every route of the contract. */
export type Handlers = { [Name in RouteName]: Handler<Name> }

/** A handler of any route, for the one place that calls them all. */
export type AnyHandler = (call: {
  principal: Principal | undefined
  params: unknown
  query: unknown
  headers: unknown
  body: unknown
  reportTimings: (timings: Record<string, number>) => void
  readonly signal: AbortSignal
  events: (produce: EventProducer) => ReadableStream<Uint8Array>
  answer200: () => void
  emit: EventSink["send"] | undefined
}) => unknown
