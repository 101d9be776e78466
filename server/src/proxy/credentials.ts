import type { IncomingMessage } from "node:http"

/** What a signed link carries its token in, and the cookie that a browser then carries it in. */
const tokenName = "opensandbox_token"

/** Cookies of that name that are looked at: neighbours under the same domain may have set some to get in the way. */
const maxTokens = 8

/** What a request brings to be let in, none of which is the guest's to see. */
export interface Credentials {
  key: string | undefined
  /** From the link itself. */
  linkToken: string | undefined
  /** From cookies. */
  cookieTokens: readonly string[]
  /** The path and query without a token. */
  path: string
}

export function credentialsOf(request: IncomingMessage): Credentials {
  const { path, token } = withoutToken(request.url ?? "/")
  const { "x-api-key": key } = request.headers
  return {
    key: Array.isArray(key) ? key[0] : key,
    linkToken: token,
    cookieTokens: speaksForItself(request) ? cookieTokens(request.headers.cookie) : [],
    path,
  }
}

/** A Cookie header without the server's own; undefined when nothing is left. */
export function guestCookies(header: string): string | undefined {
  const kept = header.split(";").filter((cookie) => !isOwnCookie(cookie))
  return kept.length === 0 ? undefined : kept.join(";").trim()
}

/** The header that lets a browser in from now on. It is for this one host only, and no script can read it. */
export function tokenCookie(token: string, seconds: number): string {
  return `${tokenName}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax`
}

/**
 * Whether a browser sent the request for a page of the same host, or for its user. Pages of other sandboxes may be the
 * same site to a browser, which would then send the cookie for them too.
 */
function speaksForItself({ headers }: IncomingMessage): boolean {
  const { origin, host, "sec-fetch-site": site, "sec-fetch-mode": mode } = headers
  if (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host) return false
  return site === undefined || site === "same-origin" || site === "none" || mode === "navigate"
}

function withoutToken(url: string): { path: string; token: string | undefined } {
  const [path = "/", query] = url.split(/\?(.*)/s, 2)
  if (query === undefined) return { path, token: undefined }
  const prefix = `${tokenName}=`
  const parameters = query.split("&")
  const rest = parameters.filter((parameter) => !parameter.startsWith(prefix))
  return {
    path: rest.length === 0 ? path : `${path}?${rest.join("&")}`,
    token: parameters.find((parameter) => parameter.startsWith(prefix))?.slice(prefix.length),
  }
}

function cookieTokens(header = ""): string[] {
  const own = header.split(";").filter(isOwnCookie).slice(0, maxTokens)
  return own.map((cookie) => cookie.slice(cookie.indexOf("=") + 1).trim())
}

function isOwnCookie(cookie: string): boolean {
  return cookie.split("=", 1)[0]?.trim() === tokenName
}
