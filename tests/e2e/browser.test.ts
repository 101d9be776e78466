import { join } from "node:path"
import { build } from "esbuild"
import type { BrowserContext } from "playwright-core"
import { beforeAll, expect, test } from "vitest"
import { startBrowser } from "../support/browser.js"
import { PageServer } from "../support/page-server.js"
import { repository } from "../support/repository.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { tourResult } from "../support/tour-result.js"

let server: TestServer
let pages: PageServer
let browser: BrowserContext

/** The page's script: the SDK as a bundler takes it for a web page, and the tour for the test to start. */
async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import * as sdk from "opensandbox"
        import { tour } from "./tour.mjs"
        globalThis.tour = (task) => tour(sdk, task)`,
      resolveDir: join(repository, "tests", "support"),
    },
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    target: "es2022",
  })
  return outputFiles[0]?.text ?? ""
}

beforeAll(async () => {
  pages = await PageServer.start(await pageScript())
  server = await TestServer.start({ env: { OPENSANDBOX_ALLOW_ORIGIN: pages.origin } })
  const started = await startBrowser()
  browser = started.browser
  return async () => {
    await started.close()
    await server.dispose()
    await pages.close()
  }
}, serverStartMs)

/** What the tour gives, or the text of what it threw, in a page of that origin. */
async function tourIn(origin: string): Promise<unknown> {
  const page = await browser.newPage()
  await page.goto(origin)
  await page.waitForFunction("globalThis.tour !== undefined")
  const task = JSON.stringify({ apiKey: server.apiKey, baseUrl: server.url, name: "from-a-page" })
  const result: unknown = await page.evaluate(`tour(${task}).catch((error) => error.code)`)
  await page.close()
  return result
}

test("the SDK does its job in a web page of an origin that the server allows", async () => {
  expect(await tourIn(pages.origin)).toEqual(tourResult)
})

test("a page of another origin learns nothing, and makes nothing", async () => {
  expect(await tourIn(pages.strangeOrigin)).toBe("unavailable")
  expect(await server.client().list()).toEqual({ success: true, vms: [] })
})
