import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Client, Sandbox } from "opensandbox"
import { afterAll, beforeAll, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { eventually } from "../support/eventually.js"
import { programOf, readmeBlocks, surroundings } from "../support/readme.js"
import { cli, repository } from "../support/repository.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SshAccess } from "../support/ssh.js"

/** How long an example may take in software emulation on a busy machine, in milliseconds. */
const exampleMs = 180_000

/** The sandbox of most examples. */
const name = "my-sandbox"

/** A program in the guest that stands for one that the image lacks. */
const program = (path: string, script: string) =>
  `printf '#!/bin/sh\n${script}\n' > /usr/local/bin/${path}; chmod 755 /usr/local/bin/${path};`

interface Example {
  /** What the example expects in the sandbox. */
  prepare?: string
  /** What it prints. */
  prints: RegExp
  /** What it prints on its standard error; default nothing. */
  warns?: string
  /** What makes an example print that would go on for good. */
  meanwhile?: (sandbox: Sandbox) => Promise<unknown>
}

const examples: Record<string, Example> = {
  "The SDK": { prints: /^hello world\n 0 cmd_\d+\n$/ },
  "The SDK 2": { prints: /^Linux for-now / },
  Processes: { prints: /^\{ success: true, exitCode: null, signal: 'SIGTERM' \}\n$/ },
  Stream: {
    prepare: `mkdir -p src; ${program("make", "read answer; echo $CC says $answer to $1; echo careful >&2")}`,
    prints: /^clang says y to -j4\n/,
    warns: "careful\n\n",
  },
  "Time travel": {
    prepare: `${program("npm", "true")} ${program("git", "true")} echo '{}' > package.json`,
    prints: /^$/,
  },
  "Bring back the whole machine": { prints: /^42\n/ },
  "Pause and resume": { prints: /^$/ },
  Ports: {
    prints: /^http:\/\/8080-my-sandbox\.localhost:\d+\/\nhttp:\/\/8080-my-sandbox\.localhost:\d+\/\S+\n$/,
  },
  Terminals: {
    prepare: program("make", "echo made with a terminal"),
    prints: /made with a terminal.*\{\s*success: true,\s*exitCode: 0,/s,
  },
  Files: {
    prepare: "mkdir -p app/dist; echo built > app/dist/result",
    prints: /^file_\d+\n1\n644 7 data\/input\.json\n.*^(create|change) .*app\/seen/ms,
    meanwhile: (sandbox) => sandbox.files.write("app/seen", String(Math.random()), { snapshot: false }),
  },
  Size: { prints: /^$/ },
  Network: { prints: /^$/ },
}

let server: TestServer
let access: SshAccess
let client: Client
let directory: string
let env: Record<string, string>
let preload: string

beforeAll(async () => {
  access = await SshAccess.make()
  directory = await mkdtemp(join(tmpdir(), "osb-readme-"))
  await Promise.all([mkdir(join(directory, "app")), mkdir(join(directory, "src"))])
  await writeFile(join(directory, "app/local"), "of this machine")
  server = await TestServer.start()
  client = server.client()
  env = {
    OPENSANDBOX_API_KEY: server.apiKey,
    OPENSANDBOX_BASE_URL: server.url,
    OPENSANDBOX_DATA_DIR: server.dataDirectory,
  }
  preload = join(directory, "surroundings.mjs")
  await writeFile(preload, surroundings(sdk, import.meta.resolve("ws"), name))
}, serverStartMs)

afterAll(async () => {
  await server.dispose()
  await access.dispose()
  await rm(directory, { recursive: true, force: true })
})

const sdk = pathToFileURL(join(repository, "dist/sdk/index.js")).href
const written = await readmeBlocks("ts")

const theSandbox = async () => succeeded(await client.create(name, { reuse: true })).sandbox

test("each example of README in TypeScript is run here", () => {
  expect(Object.keys(examples)).toEqual([...written.keys()])
})

test.each(Object.entries(examples))(
  "the example below %j does what it shows",
  { timeout: exampleMs },
  async (heading, { prepare, prints, warns = "", meanwhile }) => {
    // The first one makes it itself.
    if (heading !== "The SDK") {
      const sandbox = await theSandbox()
      if (prepare !== undefined) succeeded(await sandbox.run(prepare))
    }
    const file = join(directory, "example.mjs")
    const code = written.get(heading)?.replace("ws_key", server.apiKey)
    await writeFile(file, programOf(code ?? "", sdk))
    const child = spawn(process.execPath, ["--import", pathToFileURL(preload).href, file], {
      cwd: directory,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    const exit = once(child, "exit")
    try {
      await eventually("the example to print or end", exampleMs, async () => {
        await meanwhile?.(client.sandbox(name))
        return child.exitCode !== null || (meanwhile !== undefined && prints.test(stdout)) ? true : undefined
      }).catch((error: unknown) => {
        throw new Error(`It printed ${JSON.stringify({ stdout, stderr })}`, { cause: error })
      })
    } finally {
      child.kill("SIGKILL")
    }
    const [exitCode] = (await exit) as [number | null]
    expect(stdout).toMatch(prints)
    expect(stderr).toBe(warns)
    if (meanwhile === undefined) expect(exitCode, stderr).toBe(0)
  },
)

test("the examples of SSH work with its own tools", { timeout: exampleMs }, async () => {
  const sandbox = await theSandbox()
  const port = succeeded(await sandbox.info()).vm.ssh_port
  await access.trust(port)
  const blocks = { sh: await readmeBlocks("sh"), config: await readmeBlocks("") }

  // What stands at home for those who use it every day: a key, a configuration, programs that find both.
  const [home, bin, config] = [directory, join(directory, "bin"), join(directory, "ssh-config")]
  await Promise.all([mkdir(join(home, ".ssh")), mkdir(bin)])
  await copyFile(access.publicKey, join(home, ".ssh/id_ed25519.pub"))
  const login = access.options(port).flatMap((option) => {
    const [, key, value] = /^-o(\w+)=(.+)$/.exec(option) ?? []
    return key === undefined || key === "Port" ? [] : [`  ${key} ${value ?? ""}`]
  })
  const host = blocks.config.get("SSH")?.replace(/Port \d+/, `Port ${port}`) ?? ""
  await writeFile(config, [host.trimEnd(), ...login, "Host *", ...login, ""].join("\n"))
  const wrapped = { opensandbox: `${process.execPath} ${cli}` } as Record<string, string>
  for (const tool of ["ssh", "scp", "sftp"]) {
    const { stdout } = await exec("which", [tool])
    wrapped[tool] = `${stdout.trim()} -F ${config}`
  }
  for (const [tool, command] of Object.entries(wrapped)) {
    await writeFile(join(bin, tool), `#!/bin/sh\nexec ${command} "$@"\n`)
    await chmod(join(bin, tool), 0o755)
  }
  await writeFile(join(directory, "src/main.c"), "int main;\n")
  const shell = (script: string) =>
    exec("bash", ["-euc", script], {
      cwd: join(directory),
      env: { ...env, HOME: home, PATH: `${bin}:${process.env["PATH"] ?? ""}` },
    })

  const first = await shell(blocks.sh.get("The server 2") ?? "exit 1")
  expect(first).toMatchObject({ code: 0, stderr: "" })
  expect(first.stdout).toContain(`Linux ${name} `)
  succeeded(await sandbox.run("rm -rf src project"))
  const lines = (blocks.sh.get("SSH") ?? "").split("\n").map((line) => line.replace(/#.*/, "").trim())
  for (const line of lines.filter((each) => each !== "")) {
    // A forwarding lasts as long as what runs beside it.
    const { code, stderr } = await shell(/^ssh -[LR]/.test(line) ? `${line} true` : line)
    expect(code, `${line}: ${stderr}`).toBe(0)
  }
  const { stdout } = succeeded(await sandbox.run("cat src/main.c project/src/main.c"))
  expect(stdout).toBe("int main;\nint main;\n")
})
