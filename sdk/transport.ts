import { AnswerTooLarge, answerBytes } from "./answer-bytes.js"
import { readAnswer, readFailure } from "./answer.js"
import type { Answer, Call, Caller, Content } from "./call.js"
import { Patience } from "./patience.js"
import { reason } from "./reason.js"
import { requestOf, type Request } from "./request.js"
import { failure } from "./results.js"
import { download, Upload, uploadMs } from "./transfer.js"
import { ownWebSocket, type WebSocketConstructor, type WebSocketLike } from "./web-socket.js"

const defaultDeadlineMs = 120_000

/** Milliseconds before each further try of a call that is safe to repeat. */
const pausesMs = [100, 400]

const json = "application/json"
const events = `text/event-stream, ${json}`

/** What a transport does to the world outside. */
export interface Effects {
  fetch: typeof globalThis.fetch
  /** Resolves after so many milliseconds. */
  pause: (milliseconds: number) => Promise<void>
  /** Left out where there is none. */
  WebSocket?: WebSocketConstructor | undefined
}

export const realEffects: Effects = {
  fetch: (input, init) => globalThis.fetch(input, init),
  pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  WebSocket: ownWebSocket,
}

const noWebSocket =
  "This runtime has no WebSocket. Pass one: new Client(api_key, base_url, { WebSocket }), for instance that of the " +
  'package "ws"'

/** `duplex` is needed wherever a stream can be sent, and unknown to TypeScript. */
interface StreamedInit extends RequestInit {
  duplex: "half"
}

const aborted = failure("aborted", "The call was aborted; what it had begun is stopped where it can be")

/** What becomes of a response. */
type Reader<T> = (response: Response, patience: Patience) => Promise<Answer<T>>

/** HTTP to one server with one key. Only GETs are tried again, as only they are safe to repeat. */
export class Transport implements Caller {
  readonly baseUrl: string
  readonly #apiKey: string
  readonly #effects: Effects

  constructor(apiKey: string, baseUrl: string, effects: Effects = realEffects) {
    this.#apiKey = apiKey
    this.baseUrl = baseUrl
    this.#effects = effects
  }

  call<T>(call: Call, isAnswer: (body: unknown) => body is T): Promise<Answer<T>> {
    return this.#send(call, call.eventStream === true ? events : json, (response) =>
      readAnswer(response, isAnswer, this.baseUrl, call.onEvent),
    )
  }

  bytes(call: Call, mediaType: string): Promise<Answer<Uint8Array<ArrayBuffer>>> {
    return this.#sendForContent(call, mediaType, answerBytes)
  }

  stream(call: Call, mediaType: string): Promise<Answer<ReadableStream<Uint8Array>>> {
    return this.#sendForContent(call, mediaType, ({ body }, patience) =>
      download(body ?? new Blob([]).stream(), patience, this.baseUrl),
    )
  }

  webSocket(path: Call["path"], query: Call["query"]): Answer<WebSocketLike> {
    const { WebSocket } = this.#effects
    if (WebSocket === undefined) return failure("unavailable", noWebSocket)
    const request = requestOf(
      { method: "GET", path, ...(query && { query }) },
      this.#apiKey,
      this.baseUrl,
      json,
    )
    if ("success" in request) return request
    request.url.protocol = request.url.protocol.replace("http", "ws")
    try {
      return { success: true, body: new WebSocket(request.url.href), status: 101 }
    } catch (error) {
      return failure("unavailable", `No WebSocket to ${this.baseUrl} can be made: ${reason(error)}`)
    }
  }

  async upload<T>(call: Call, content: Content, isAnswer: (body: unknown) => body is T): Promise<Answer<T>> {
    // The server shows that it is alive for as long as it takes.
    const read: Reader<T> = (response, patience) => {
      const body = response.body && download(response.body, patience, this.baseUrl)
      return readAnswer(new Response(body, response), isAnswer, this.baseUrl)
    }
    if (!("getReader" in content)) {
      const deadlineMs = uploadMs(content instanceof Blob ? content.size : content.byteLength)
      return this.#send({ ...call, deadlineMs }, events, read, { body: content as BodyInit })
    }
    const patience = new Patience()
    const upload = new Upload(content, patience, this.baseUrl)
    const init: StreamedInit = { body: upload.body, duplex: "half" }
    const answer = await this.#send(call, events, read, init, patience)
    upload.stop()
    return answer.success || upload.failure === undefined
      ? answer
      : failure("invalid_request", `What was to be sent could not be read: ${upload.failure}`)
  }

  #sendForContent<T>(
    call: Call,
    mediaType: string,
    read: (response: Response, patience: Patience) => T | Promise<T>,
  ): Promise<Answer<T>> {
    return this.#send(call, `${mediaType}, ${json}`, async (response, patience) =>
      response.ok && response.headers.get("content-type") === mediaType
        ? { success: true, body: await read(response, patience), status: response.status }
        : readFailure(response, this.baseUrl),
    )
  }

  async #send<T>(
    call: Call,
    accept: string,
    read: Reader<T>,
    content: RequestInit = {},
    patience = new Patience(),
  ): Promise<Answer<T>> {
    const request = requestOf(call, this.#apiKey, this.baseUrl, accept)
    if ("success" in request) return request
    const { deadlineMs = defaultDeadlineMs, signal } = call
    const attempt = async () => {
      const answer = await this.#attempt(
        { ...request, init: { ...request.init, ...content } },
        read,
        patience,
      )
      return !answer.success && signal?.aborted === true ? aborted : answer
    }
    const giveUp = () => {
      patience.lose(signal?.reason)
    }
    if (signal?.aborted === true) return aborted
    signal?.addEventListener("abort", giveUp)
    patience.renew(deadlineMs, `${this.baseUrl} did not answer within ${deadlineMs / 1000} seconds`)
    try {
      for (const pauseMs of call.method === "GET" ? pausesMs : []) {
        const answer = await attempt()
        if (answer.success || answer.code !== "unavailable") return answer
        await this.#effects.pause(pauseMs)
      }
      return await attempt()
    } finally {
      patience.end()
      signal?.removeEventListener("abort", giveUp)
    }
  }

  async #attempt<T>({ url, init }: Request, read: Reader<T>, patience: Patience): Promise<Answer<T>> {
    const { signal } = patience
    try {
      return await read(heeding(await this.#effects.fetch(url, { ...init, signal }), signal), patience)
    } catch (error) {
      if (signal.aborted) return failure("timeout", reason(signal.reason))
      if (error instanceof AnswerTooLarge) {
        return failure("internal", `${this.baseUrl} sent an answer that is too large`)
      }
      return failure(
        "unavailable",
        `No answer from ${this.baseUrl} (${reason(error)}). Start a server with "opensandbox serve", or name another ` +
          "with base_url or OPENSANDBOX_BASE_URL",
      )
    }
  }
}

/**
 * A response whose body breaks off when `signal` is aborted. That of Node's fetch does so only until the request's own
 * object is collected as garbage, which may be while the body comes.
 */
function heeding(response: Response, signal: AbortSignal): Response {
  if (response.body === null) return response
  return new Response(response.body.pipeThrough(new TransformStream(), { signal }), response)
}
