import { randomBytes } from "node:crypto"
import { readdir, rename, rm, stat, utimes } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Template } from "./template.js"

/** How many templates are kept: each takes some 150 MB, and every size of machines has its own. */
const mostTemplates = 16

/** Who has looked a template up starts machines of it for so long, and a template in the making is whole by then. */
const inUseMilliseconds = 10 * 60_000

const templateName = /^[0-9a-f]{32}$/

/** Notes that a template is in use. @returns whether it is there. */
export async function markUsed({ memoryFile }: Pick<Template, "memoryFile">): Promise<boolean> {
  const now = new Date()
  return utimes(dirname(memoryFile), now, now).then(
    () => true,
    () => false,
  )
}

/**
 * Removes the templates that were not used for the longest time, where there are many, and what the making of others left.
 * Machines that run go on: the kernel keeps the files that they have open.
 */
export async function removeUnused(directory: string, now = Date.now()): Promise<void> {
  // The whole cache may be gone.
  const names = await readdir(directory).catch(() => [])
  const entries = await Promise.all(
    names.map(async (name) => ({ name, usedAt: await lastUse(join(directory, name)) })),
  )
  const newestFirst = entries.sort((a, b) => b.usedAt - a.usedAt)
  const templates = newestFirst.filter(({ name }) => templateName.test(name))
  const leftovers = newestFirst.filter(({ name }) => !templateName.test(name))
  for (const { name, usedAt } of [...templates.slice(mostTemplates), ...leftovers]) {
    if (now - usedAt > inUseMilliseconds) await remove(directory, name)
  }
}

async function lastUse(path: string): Promise<number> {
  // Somebody else removed it.
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity
}

/** At once for all who look it up, whatever comes between. */
async function remove(directory: string, name: string): Promise<void> {
  const removed = join(directory, `removed-${randomBytes(4).toString("hex")}`)
  await rename(join(directory, name), removed).catch(() => undefined)
  await rm(removed, { recursive: true, force: true })
}
