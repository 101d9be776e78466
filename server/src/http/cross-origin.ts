import type { MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { routes } from "opensandbox/contract"

/** How long a browser need not ask again whether it may, in seconds. */
const maxAge = 600

/**
 * Lets the web pages of some origins use the API: their browsers ask first, and are told so. Pages still need a key, which
 * no browser sends by itself.
 *
 * @param allowedOrigins As browsers name them, as in `https://example.com`.
 */
export function crossOrigin(allowedOrigins: readonly string[]): MiddlewareHandler {
  const allowMethods = [...new Set(Object.values(routes).map(({ method }) => method))]
  return cors({ origin: [...allowedOrigins], allowMethods, maxAge })
}
