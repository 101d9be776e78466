import { existsSync } from "node:fs"
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { repository } from "../support/repository.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { tourResult } from "../support/tour-result.js"

let server: TestServer
let project: string

const installed = join(repository, "tests", "runtimes", "node_modules")
const deno = join(installed, "@deno", "linux-x64-glibc", "deno")
const bun = join(installed, "@oven", "bun-linux-x64-baseline", "bin", "bun")

const programs = {
  "tour-module.mjs": `
    import * as sdk from "opensandbox"
    import { tour } from "./tour.mjs"
    console.log(JSON.stringify(await tour(sdk, JSON.parse(process.argv[2]))))`,
  "tour-required.cjs": `
    const sdk = require("opensandbox")
    import("./tour.mjs").then(async ({ tour }) => {
      console.log(JSON.stringify(await tour(sdk, JSON.parse(process.argv[2]))))
    })`,
}

beforeAll(async () => {
  server = await TestServer.start()
  project = await mkdtemp(join(tmpdir(), "osb-runtimes-"))
  await mkdir(join(project, "node_modules"))
  await symlink(repository, join(project, "node_modules", "opensandbox"))
  await writeFile(join(project, "package.json"), '{ "dependencies": { "opensandbox": "*" } }')
  await cp(join(repository, "tests", "support", "tour.mjs"), join(project, "tour.mjs"))
  for (const [name, text] of Object.entries(programs)) await writeFile(join(project, name), text)
  return async () => {
    await rm(project, { recursive: true })
    await server.dispose()
  }
}, serverStartMs)

const runtimes: [name: string, program: string, args: string[]][] = [
  ["Node, as an ECMAScript module", process.execPath, ["tour-module.mjs"]],
  ["Node, as a CommonJS module", process.execPath, ["tour-required.cjs"]],
  ["Bun", bun, ["run", "tour-module.mjs"]],
  ["Deno", deno, ["run", "--node-modules-dir=manual", "--allow-all", "tour-module.mjs"]],
]

test.each(runtimes)("the SDK does its job in %s", async (name, program, args) => {
  if (!existsSync(program)) throw new Error(`${name} is not installed: "npm test" installs it`)
  const task = { apiKey: server.apiKey, baseUrl: server.url, name: "tour" }
  const ended = await exec(program, [...args, JSON.stringify(task)], {
    cwd: project,
    env: { DENO_DIR: join(project, "deno"), DENO_NO_UPDATE_CHECK: "1", BUN_INSTALL: join(project, "bun") },
  })
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" })
  expect(JSON.parse(ended.stdout)).toEqual(tourResult)
})
