import { once } from "node:events"
import { request, type IncomingMessage } from "node:http"
import { buffer } from "node:stream/consumers"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { median } from "../measurement.js"
import { elapsed, repeat } from "../repetition.js"

const pageBytes = 100_000

const guestPort = 8080

const rounds = { warmUp: 10, count: 60 }

/** Seconds until Python under software emulation has started. */
const startSeconds = 60

/** Asks for the page as often as for the other measurement and prints how long each took, in seconds. */
const askInside = `for i in $(seq ${rounds.warmUp + rounds.count}); do
  curl -s -o /dev/null -w '%{time_total}\\n' http://127.0.0.1:${guestPort}/page
done`

export const port: Benchmark = {
  title: "a page of a server in a sandbox",
  measure: async ({ client, workplace }) => {
    const { sandbox } = expectSuccess(await client.create("port"))
    const server = `python3 -m http.server ${guestPort} --bind 127.0.0.1 > /dev/null 2>&1 &`
    expectSuccess(await sandbox.run(`head -c ${pageBytes} /dev/urandom > page; ${server}`))
    expectSuccess(await sandbox.waitForPort(guestPort, startSeconds))
    const url = new URL("page", sandbox.url(guestPort))
    const outside = await repeat(rounds, () => elapsed(() => page(url, workplace.apiKey)))
    const { stdout } = expectSuccess(await sandbox.run(askInside, 300))
    const inside = stdout
      .trim()
      .split("\n")
      .slice(rounds.warmUp)
      .map((seconds) => Number(seconds) * 1000)
    expectSuccess(await sandbox.destroy())
    const base = median(inside)
    return [
      { what: "100 KB page through sandbox.url(port)", unit: "ms", values: outside },
      { what: "- the same, asked for inside the guest", unit: "ms", values: inside },
      { what: "- added to that", unit: "ms", values: outside.map((ms) => ms - base), target: 10 },
    ]
  },
}

/** As a browser does, which knows where the names below `localhost` lead. */
async function page({ host, port, pathname }: URL, apiKey: string): Promise<void> {
  const headers = { host, "x-api-key": apiKey }
  const outgoing = request({ hostname: "127.0.0.1", port, path: pathname, headers })
  outgoing.end()
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage]
  const { length } = await buffer(answer)
  if (length !== pageBytes) throw new Error(`${length} bytes came of a page of ${pageBytes}`)
}
