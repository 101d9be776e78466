/** What a server answered to a request that was made by hand. */
export interface RawAnswer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** A request as no SDK would make it: any body, any key or none. */
export async function raw(
  url: string,
  path: string,
  init: RequestInit & { key?: string } = {},
): Promise<RawAnswer> {
  const { key, ...rest } = init
  const headers = new Headers(rest.headers)
  if (key !== undefined) headers.set("x-api-key", key)
  if (rest.body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json")
  const response = await fetch(`${url}${path}`, { ...rest, headers, signal: AbortSignal.timeout(60_000) })
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body }
}
