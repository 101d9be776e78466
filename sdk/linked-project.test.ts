import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, test } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
let project: string

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "opensandbox-linked-"))
  await mkdir(join(project, "node_modules"))
  await symlink(root, join(project, "node_modules/opensandbox"))
  await writeFile(join(project, "package.json"), '{ "type": "module" }')
  await cp(join(root, "examples/quickstart.ts"), join(project, "quickstart.ts"))
  await writeFile(join(project, "disposal.cts"), disposal)
})

/** For a compiler without the types of Symbol.asyncDispose, and a module that is no ECMAScript module. */
const disposal = `
import { Client, unwrap, type RunResult } from "opensandbox"

export async function use(): Promise<RunResult> {
  await using sandbox = unwrap(await new Client().create("for-now", { reuse: true })).sandbox
  return sandbox.run("true")
}
`

afterAll(async () => {
  await rm(project, { recursive: true })
})

/** What the compiler says about a file in a project that has nothing but the linked package. */
async function compile(file: string, compilerOptions: Record<string, unknown>): Promise<string> {
  const strict = { strict: true, noEmit: true, types: [], skipLibCheck: false, preserveSymlinks: true }
  await writeFile(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...strict, ...compilerOptions }, files: [file] }),
  )
  const result = await promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", project, "--listFiles"],
    { timeout: 60_000 },
  ).catch((error: unknown) => error as { stdout: string })
  return result.stdout
}

test.each([
  { module: "NodeNext", target: "ES2022" },
  { module: "ESNext", moduleResolution: "Bundler", target: "ES2022" },
])("the quickstart compiles in a linked project with %j", { timeout: 60_000 }, async (options) => {
  const output = await compile("quickstart.ts", options)
  expect(output).not.toMatch(/error TS/)
  expect(output).toContain("opensandbox/dist/sdk/index.d.ts")
  expect(output).not.toMatch(/zod|@types/)
})

test.each([
  { module: "NodeNext", target: "ES2022" },
  { module: "CommonJS", moduleResolution: "Node10", target: "ES2022" },
])("a CommonJS module compiles in a linked project with %j", { timeout: 60_000 }, async (options) => {
  const output = await compile("disposal.cts", options)
  expect(output).not.toMatch(/error TS/)
  expect(output).toContain("opensandbox/sdk/commonjs/dist/index.d.ts")
})
