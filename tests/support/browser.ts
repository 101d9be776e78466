import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chromium, type BrowserContext } from "playwright-core"

const executablePath = "/usr/bin/chromium"

/** What keeps it from talking to anybody but the pages that it is sent to, and lets it run in a container. */
const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

/** A real browser with a profile of its own, and how to end it. */
export async function startBrowser(): Promise<{ browser: BrowserContext; close: () => Promise<void> }> {
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: "npm test" installs it`)
  const profile = await mkdtemp(join(tmpdir(), "osb-browser-"))
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args, headless: true })
  const close = async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true })
  }
  return { browser, close }
}
