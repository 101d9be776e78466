import { cp, symlink } from "node:fs/promises"
import { join } from "node:path"
import { defaultCacheDirectory } from "@opensandbox/image"
import type { Benchmark } from "../benchmark.js"
import { repeat } from "../repetition.js"
import type { Workplace } from "../workplace.js"

export const startup: Benchmark = {
  title: "the start of a server",
  measure: async ({ workplace }) => {
    const dataDirectory = await workplace.directory()
    const cached = await repeat({ warmUp: 1, count: 5 }, () => startOnce(workplace, dataDirectory))
    const uncached = await repeat({ warmUp: 0, count: 3 }, async () =>
      startOnce(workplace, dataDirectory, await cacheWithoutTemplates(workplace)),
    )
    return [
      { what: "server start, template cached", unit: "ms", values: cached },
      { what: "server start that makes the template", unit: "ms", values: uncached },
    ]
  },
}

async function startOnce(
  workplace: Workplace,
  dataDirectory: string,
  cacheDirectory?: string,
): Promise<number> {
  const server = await workplace.startServer({
    dataDirectory,
    ...(cacheDirectory !== undefined && { cacheDirectory }),
  })
  await server.stop()
  return server.startedIn
}

/** A cache with the user's images and the answer to which accelerator works, both of which take long to find again. */
async function cacheWithoutTemplates(workplace: Workplace): Promise<string> {
  const cache = await workplace.directory()
  await symlink(join(defaultCacheDirectory(), "images"), join(cache, "images"))
  await cp(join(defaultCacheDirectory(), "accelerator.json"), join(cache, "accelerator.json"))
  return cache
}
