import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { currentImage, defaultCacheDirectory, once, setCurrentImage } from "./cache.js"

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "opensandbox-cache-"))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const remove = (path: string) => rm(path, { recursive: true, force: true })

describe("defaultCacheDirectory", () => {
  it("prefers what is said most directly", () => {
    expect(defaultCacheDirectory({ OPENSANDBOX_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a")
    expect(defaultCacheDirectory({ XDG_CACHE_HOME: "/b" })).toBe("/b/opensandbox")
    expect(defaultCacheDirectory({})).toMatch(/\.cache\/opensandbox$/)
  })
})

describe("currentImage", () => {
  it("is undefined until a whole image is there", async () => {
    expect(await currentImage(directory)).toBeUndefined()
    await mkdir(join(directory, "images", "abc123"), { recursive: true })
    await setCurrentImage(directory, "abc123")
    expect(await currentImage(directory)).toBeUndefined()
    await writeFile(join(directory, "images", "abc123", "image.json"), "{}")
    expect(await currentImage(directory)).toBe(join(directory, "images", "abc123"))
  })

  it("does not leave the cache, whatever the file says", async () => {
    await mkdir(join(directory, "images"))
    await writeFile(join(directory, "image.json"), "{}")
    await setCurrentImage(directory, "..")
    expect(await currentImage(directory)).toBeUndefined()
  })
})

describe("once", () => {
  const build = (path: string) => writeFile(join(path, "file"), "whole")

  it("builds what is missing and keeps what is there", async () => {
    const made = await once(directory, "key", build, remove)
    expect(await readFile(join(made, "file"), "utf8")).toBe("whole")
    await once(directory, "key", () => Promise.reject(new Error("built again")), remove)
    expect(await readdir(directory)).toEqual(["key"])
  })

  it("leaves nothing of a build that fails", async () => {
    const failing = async (path: string) => {
      await build(path)
      throw new Error("no luck")
    }
    await expect(once(directory, "key", failing, remove)).rejects.toThrow("no luck")
    expect(await readdir(directory)).toEqual([])
  })

  it("clears away what a process that is gone left behind, not what one at work is building", async () => {
    // No process has an id above the kernel's limit; process 1 always runs.
    await mkdir(join(directory, ".building-99999999"))
    await mkdir(join(directory, ".building-1"))
    await once(directory, "key", build, remove)
    expect((await readdir(directory)).sort()).toEqual([".building-1", "key"])
  })

  it("takes the other's result when two processes build the same", async () => {
    const overtaken = async (path: string) => {
      await build(path)
      await mkdir(join(directory, "key"))
      await writeFile(join(directory, "key", "file"), "the other's")
    }
    const made = await once(directory, "key", overtaken, remove)
    expect(await readFile(join(made, "file"), "utf8")).toBe("the other's")
    expect(await readdir(directory)).toEqual(["key"])
  })
})
