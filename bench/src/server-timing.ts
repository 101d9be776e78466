/** What an answer says about where its time went: milliseconds by name. */
type ServerTimings = ReadonlyMap<string, number>

/**
 * Runs a call of the SDK and brings along the `Server-Timing` header of its last answer, which the SDK does not give
 * out. No other call may be under way.
 */
export async function withServerTimings<T>(call: () => Promise<T>): Promise<[T, ServerTimings]> {
  const { fetch } = globalThis
  let header = ""
  globalThis.fetch = async (...args) => {
    const response = await fetch(...args)
    header = response.headers.get("server-timing") ?? ""
    return response
  }
  try {
    return [await call(), parseServerTiming(header)]
  } finally {
    globalThis.fetch = fetch
  }
}

/** @throws Error when the answer does not say how long that took. */
export function millisecondsOf(timings: ServerTimings, name: string): number {
  const value = timings.get(name)
  if (value === undefined) throw new Error(`the server's answer does not say how long "${name}" took`)
  return value
}

function parseServerTiming(header: string): ServerTimings {
  const entries = header.matchAll(/([\w-]+);dur=([\d.]+)/g)
  return new Map(Array.from(entries, ([, name = "", duration]) => [name, Number(duration)]))
}
