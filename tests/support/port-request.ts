import { once } from "node:events"
import { request, type IncomingMessage, type RequestOptions } from "node:http"
import { buffer } from "node:stream/consumers"

/** What came back from a server in a sandbox, or from the proxy before it. */
export interface PortAnswer {
  status: number | undefined
  headers: IncomingMessage["headers"]
  body: Buffer
}

/** Asks for a URL of `Sandbox.url` as a browser does, which knows that all names below `localhost` are this host. */
export async function askPort(
  url: string,
  { body, ...options }: RequestOptions & { body?: string } = {},
): Promise<PortAnswer> {
  const outgoing = openPort(url, options)
  outgoing.end(body)
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await buffer(answer) }
}

/** The beginning of a request for such a URL. */
export function openPort(url: string, options: RequestOptions = {}) {
  const { host, port, pathname, search } = new URL(url)
  return request({
    path: pathname + search,
    agent: false,
    ...options,
    hostname: "127.0.0.1",
    port,
    headers: { ...(options.headers as Record<string, string> | undefined), host },
  })
}
