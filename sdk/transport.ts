import { readAnswer } from "./answer.js"
import { answerText } from "./answer-text.js"
import type { Answer, Call, Caller } from "./call.js"
import { failure, type Failure } from "./results.js"

const defaultDeadlineMs = 120_000

/** Milliseconds before each further try of a call that is safe to repeat. */
const pausesMs = [100, 400]

/** What a transport does to the world outside. */
export interface Effects {
  fetch: typeof globalThis.fetch
  /** Resolves after so many milliseconds. */
  pause: (milliseconds: number) => Promise<void>
}

const realEffects: Effects = {
  fetch: (input, init) => globalThis.fetch(input, init),
  pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
}

/** A request that can be sent as it is, any number of times. */
interface Prepared {
  url: URL
  init: RequestInit
}

/** HTTP to one server with one key. Only GETs are tried again, as only they are safe to repeat. */
export class Transport implements Caller {
  readonly #apiKey: string
  readonly #baseUrl: string
  readonly #effects: Effects

  constructor(apiKey: string, baseUrl: string, effects: Effects = realEffects) {
    this.#apiKey = apiKey
    this.#baseUrl = baseUrl
    this.#effects = effects
  }

  async call<T>(call: Call, isAnswer: (body: unknown) => body is T): Promise<Answer<T>> {
    const request = this.#prepare(call)
    if ("success" in request) return request
    const deadlineMs = call.deadlineMs ?? defaultDeadlineMs
    const signal = AbortSignal.timeout(deadlineMs)
    const pauses = call.method === "GET" ? pausesMs : []
    for (const pauseMs of pauses) {
      const answer = await this.#attempt(request, isAnswer, signal, deadlineMs)
      if (answer.success || answer.code !== "unavailable") return answer
      await this.#effects.pause(pauseMs)
    }
    return this.#attempt(request, isAnswer, signal, deadlineMs)
  }

  #prepare(call: Call): Prepared | Failure {
    if (this.#apiKey === "") return failure("unauthorized", missingKey)
    // The rest of what a header cannot carry would make fetch throw.
    if (!/^[\x20-\x7e]+$/.test(this.#apiKey)) {
      return failure("unauthorized", "The API key holds characters that no key has")
    }
    // A URL parser resolves these away, and the request would go to another path than the one meant.
    const unaddressable = call.path.find((segment) => /^\.{0,2}$/.test(segment))
    if (unaddressable !== undefined) {
      return failure("invalid_request", `"${unaddressable}" is not the name of anything`)
    }
    try {
      const path = call.path.map(encodeURIComponent).join("/")
      const url = new URL(`${this.#baseUrl.replace(/\/+$/, "")}/${path}`)
      const body = call.body === undefined ? undefined : JSON.stringify(call.body)
      const headers = {
        "x-api-key": this.#apiKey,
        accept: call.eventStream === true ? "text/event-stream, application/json" : "application/json",
        ...(body !== undefined && { "content-type": "application/json" }),
      }
      // A redirect could carry the key to another host.
      return {
        url,
        init: { method: call.method, headers, redirect: "error", ...(body !== undefined && { body }) },
      }
    } catch (error) {
      return failure("invalid_request", `The request cannot be sent to ${this.#baseUrl}: ${reason(error)}`)
    }
  }

  async #attempt<T>(
    request: Prepared,
    isAnswer: (body: unknown) => body is T,
    signal: AbortSignal,
    deadlineMs: number,
  ): Promise<Answer<T>> {
    try {
      const response = await this.#effects.fetch(request.url, { ...request.init, signal })
      const text = await answerText(response)
      if (text === undefined) return failure("internal", `${this.#baseUrl} sent an answer that is too large`)
      return readAnswer(response, text, isAnswer, this.#baseUrl)
    } catch (error) {
      if (signal.aborted) {
        return failure("timeout", `${this.#baseUrl} did not answer within ${deadlineMs / 1000} seconds`)
      }
      return failure(
        "unavailable",
        `No answer from ${this.#baseUrl} (${reason(error)}). Start a server with "opensandbox serve", or name another ` +
          "with base_url or OPENSANDBOX_BASE_URL",
      )
    }
  }
}

const missingKey =
  "No API key. Pass one to new Client(api_key) or set OPENSANDBOX_API_KEY; " +
  '"opensandbox keys create" on the server\'s machine makes one'

/** Why a fetch failed: Node puts the reason into the error's cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause
  if (!(cause instanceof Error)) return error.message
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message
}
