/** How long an answer may take. */
const answerMilliseconds = 10_000

/** What a server counts, as it gives it out at `/metrics` in Prometheus' text format. */
export class ServerMetrics {
  readonly #url: string
  readonly #adminKey: string

  constructor(url: string, adminKey: string) {
    this.#url = url
    this.#adminKey = adminKey
  }

  /**
   * What is counted under each of the names now, whatever its labels: 0 while it has not happened.
   *
   * @throws Error when the server does not know a name.
   */
  async read<Name extends string>(...names: Name[]): Promise<Record<Name, number>> {
    const response = await fetch(`${this.#url}/metrics`, {
      headers: { "x-api-key": this.#adminKey },
      signal: AbortSignal.timeout(answerMilliseconds),
    })
    if (!response.ok) throw new Error(`the server's metrics cannot be had: ${response.status}`)
    const sums = sumsByName(await response.text())
    const entries = names.map((name) => {
      const sum = sums.get(name)
      if (sum === undefined) throw new Error(`the server does not count "${name}"`)
      return [name, sum]
    })
    return Object.fromEntries(entries) as Record<Name, number>
  }
}

function sumsByName(text: string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [, name = ""] of text.matchAll(/^# TYPE (\w+)/gm)) sums.set(name, 0)
  for (const [, name = "", value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)/gm)) {
    sums.set(name, (sums.get(name) ?? 0) + Number(value))
  }
  return sums
}
