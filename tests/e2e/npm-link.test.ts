import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exec, type Ended } from "../support/cli.js"
import { repository } from "../support/repository.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer
let directory: string
let project: string

/** Uses every method as a user would who has read nothing but the description. */
const everyMethod = `
import { Client, type Failure, type Sandbox, type Snapshot, type VMInfo } from "opensandbox"

const client = new Client("ws_key", "http://localhost:4000")
const reference: Sandbox = client.sandbox("name")

export async function use(): Promise<void> {
  const created = await client.create(reference.name)
  // @ts-expect-error -- not before success is known
  created.sandbox
  if (!created.success) return explain(created)
  const ran = await created.sandbox.run("make", 120)
  if (!ran.success) return explain(ran)
  const all: [string, string, number, string] = [ran.stdout, ran.stderr, ran.exitCode, ran.snapshot]
  const listed = await client.list()
  const vms: VMInfo[] = listed.success ? listed.vms : []
  const { agent_port, ssh_port, agentHealthy, status, created_at, id } = vms[0]!
  const numbers: number[] = [agent_port, ssh_port, id, all[2]]
  const healthy: boolean = agentHealthy
  const texts: string[] = [status, created_at]
  const taken = await reference.snapshots()
  const snapshots: Snapshot[] = taken.success ? taken.snapshots : []
  const command: string | null = snapshots[0]!.command
  const info = await reference.info()
  if (info.success) texts.push(info.vm.name)
  for (const simple of [await reference.restore("initial"), await reference.wipe(), await reference.destroy()]) {
    const message: string = simple.success ? simple.message : simple.error
    console.log(message, numbers, healthy, texts, command, snapshots[0]!.vm_name)
  }
}

function explain(failure: Failure): void {
  switch (failure.code) {
    case "timeout":
    case "unavailable":
      console.log(failure.error)
  }
}
`

beforeAll(async () => {
  server = await TestServer.start()
  directory = await mkdtemp(join(tmpdir(), "osb-link-"))
  project = join(directory, "project")
  await mkdir(project)
  await writeFile(join(project, "package.json"), '{ "type": "module" }')
  await writeFile(join(project, "every-method.ts"), everyMethod)
  await cp(join(repository, "examples", "quickstart.ts"), join(project, "quickstart.ts"))
  for (const [cwd, args] of [
    [repository, ["link"]],
    [project, ["link", "opensandbox"]],
  ] as const) {
    const linked = await npm([...args], cwd)
    if (linked.code !== 0) throw new Error(`npm ${args.join(" ")} failed: ${linked.stderr}`)
  }
}, serverStartMs)

afterAll(async () => {
  await server.dispose()
  await rm(directory, { recursive: true })
})

/** npm with global packages of its own, so that nothing changes outside the test, and without the registry. */
function npm(args: string[], cwd: string): Promise<Ended> {
  return exec("npm", args, {
    cwd,
    env: {
      npm_config_prefix: join(directory, "global"),
      npm_config_offline: "true",
      npm_config_audit: "false",
    },
  })
}

test.each([
  { module: "NodeNext", moduleResolution: "NodeNext" },
  { module: "ESNext", moduleResolution: "Bundler" },
])("a project that only did `npm link opensandbox` compiles with %j and runs", async (resolution) => {
  const outDir = `out-${resolution.moduleResolution}`
  const compilerOptions = { ...resolution, target: "ES2022", strict: true, types: [], outDir }
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  const tsc = join(repository, "node_modules", "typescript", "bin", "tsc")
  const compiled = await exec(process.execPath, [tsc, "-p", project], { cwd: project })
  expect(compiled).toEqual({ code: 0, signal: null, stdout: "", stderr: "" })

  const { code, stdout, stderr } = await exec(process.execPath, [join(outDir, "quickstart.js")], {
    cwd: project,
    env: { OPENSANDBOX_API_KEY: server.apiKey, OPENSANDBOX_BASE_URL: server.url },
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toMatch(
    new RegExp(
      [
        "^hello world",
        String.raw`snapshot: (cmd_\d+)`,
        "initial  ",
        String.raw`\1  echo 'hello world' \| tee greeting.txt`,
        String.raw`cmd_\d+  rm greeting.txt`,
        "after the restore: hello world",
        ".+",
        "$",
      ].join("\n"),
    ),
  )
})
