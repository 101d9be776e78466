import type { IncomingMessage } from "node:http"
import { guestCookies } from "./credentials.js"

/** Headers as Node takes them: names and values in turn, in the order and as often as they came. */
type RawHeaders = string[]

/** What is about one connection only, and ends with it (RFC 9110, section 7.6.1). */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]

/** What the proxy answers or says itself. */
const ours = ["x-api-key", "expect", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]

/** What a Connection header cannot have taken out: the rest of the message would mean something else without it. */
const lasting = new Set(["host", "content-length", "cookie", "set-cookie"])

/** Methods whose requests say that they have no body where they have none. */
const withBody = new Set(["POST", "PUT", "PATCH"])

/** A request's headers for the guest. @param upgrade Whether it asks for another protocol. */
export function requestHeaders(request: IncomingMessage, upgrade: boolean): RawHeaders {
  const { headers, method = "GET", socket } = request
  const isChunked = headers["transfer-encoding"] !== undefined
  const cookies = guestCookies(headers.cookie ?? "")
  const before = headers["x-forwarded-for"]
  const from = socket.remoteAddress ?? "unknown"
  return [
    ...endToEnd(request, new Set([...hopByHop, ...ours, "cookie"])),
    ...(cookies === undefined ? [] : ["cookie", cookies]),
    ...["x-forwarded-for", before === undefined ? from : `${String(before)}, ${from}`],
    ...["x-forwarded-host", headers.host ?? ""],
    ...["x-forwarded-proto", forwardedProtocol(headers["x-forwarded-proto"])],
    ...["connection", upgrade ? "upgrade" : "close"],
    ...(upgrade ? ["upgrade", headers.upgrade ?? ""] : []),
    ...(isChunked ? ["transfer-encoding", "chunked"] : []),
    ...(!isChunked && headers["content-length"] === undefined && withBody.has(method)
      ? ["content-length", "0"]
      : []),
  ]
}

/** An answer's headers for the client. */
export function responseHeaders(answer: IncomingMessage): RawHeaders {
  return pairs(endToEnd(answer, new Set(hopByHop))).flatMap(([name, value]) => [
    name,
    name.toLowerCase() === "set-cookie" ? hostOnly(value) : value,
  ])
}

function endToEnd(message: IncomingMessage, without: ReadonlySet<string>): RawHeaders {
  const named = (message.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase())
  const listed = new Set(named.filter((name) => !lasting.has(name)))
  return pairs(message.rawHeaders)
    .filter(([name]) => !without.has(name.toLowerCase()) && !listed.has(name.toLowerCase()))
    .flat()
}

function pairs(headers: RawHeaders): [string, string][] {
  return headers.flatMap((name, index) =>
    index % 2 === 0 ? [[name, headers[index + 1] ?? ""] as [string, string]] : [],
  )
}

/** A cookie that stays with its own host: no sandbox sets one for its neighbours, or for the API. */
function hostOnly(cookie: string): string {
  return cookie.replace(/;\s*domain\s*=[^;]*/gi, "")
}

/** What a proxy in front of this server says, which is the one that knows. */
function forwardedProtocol(told: string | string[] | undefined): string {
  return told === "https" ? "https" : "http"
}
