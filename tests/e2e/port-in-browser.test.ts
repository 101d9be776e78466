import type { BrowserContext, Page } from "playwright-core"
import type { Sandbox } from "opensandbox"
import { beforeAll, expect, test } from "vitest"
import { startBrowser } from "../support/browser.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** Seconds that an interpreter under software emulation may take to start. */
const startSeconds = 60

let server: TestServer
let browser: BrowserContext

beforeAll(async () => {
  server = await TestServer.start()
  const started = await startBrowser()
  browser = started.browser
  return async () => {
    await started.close()
    await server.dispose()
  }
}, serverStartMs)

/** A page that asks its own server for data and sends some back, as an application does. */
const page = `<!doctype html><title>In the sandbox</title><script type="module">
const data = await (await fetch("/data.json")).json()
const sent = await (await fetch("/echo", { method: "POST", body: "sent by " + data.name })).text()
document.body.textContent = sent
</script><body>`

const program = `
const page = ${JSON.stringify(page)}
require("http").createServer((request, response) => {
  if (request.url === "/data.json") response.end('{"name":"the page"}')
  else if (request.method === "POST") request.pipe(response)
  else response.writeHead(200, { "content-type": "text/html" }).end(page)
}).listen(8080)`

async function serve(): Promise<Sandbox> {
  const sandbox = await server.create()
  succeeded(await sandbox.files.write("server.js", program))
  succeeded(await sandbox.run("node server.js > server.log 2>&1 &"))
  succeeded(await sandbox.waitForPort(8080, startSeconds))
  return sandbox
}

/** What a page at an address shows once it shows something, or the status with which it was refused. */
async function shown(address: string): Promise<string | number> {
  const tab: Page = await browser.newPage()
  try {
    const status = (await tab.goto(address))?.status() ?? 0
    if (status !== 200) return status
    await tab.waitForFunction("document.body.textContent !== ''")
    return (await tab.textContent("body")) ?? ""
  } finally {
    await tab.close()
  }
}

test("a browser shows an application in a sandbox by a signed link, to nobody else until it is public", async () => {
  const [mine, other] = await Promise.all([serve(), serve()])
  expect(await shown(mine.url(8080))).toBe(401)
  const link = succeeded(await mine.url(8080, { expires: 600 }))
  expect(await shown(link.url)).toBe("sent by the page")
  // The browser has been admitted to this port, and to no other.
  expect(await shown(mine.url(8080))).toBe("sent by the page")
  expect(await shown(other.url(8080))).toBe(401)
  succeeded(await other.setPort(8080, { public: true }))
  expect(await shown(other.url(8080))).toBe("sent by the page")
})
