import { createHash, randomBytes } from "node:crypto"
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { exec } from "../support/cli.js"
import { matching } from "../support/matchers.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { SshAccess } from "../support/ssh.js"

let server: TestServer
let access: SshAccess
let sandbox: Sandbox
let login: string[]

beforeAll(async () => {
  access = await SshAccess.make()
  server = await TestServer.start()
  sandbox = await access.sandboxOf(server, "files")
  login = access.options(succeeded(await sandbox.info()).vm.ssh_port)
}, serverStartMs)

afterAll(async () => {
  await server.dispose()
  await access.dispose()
})

const host = "127.0.0.1"
const local = (name: string) => access.file(name)
const hashOf = (content: Uint8Array) => createHash("sha256").update(content).digest("hex")

async function inGuest(command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

async function snapshots() {
  return succeeded(await sandbox.snapshots()).snapshots
}

describe("sftp", () => {
  const sftp = (...commands: string[]) =>
    exec("sftp", [...login, "-b", "-", host], { input: `${commands.join("\n")}\n` })

  test("puts, gets, lists, renames and removes, and leaves one snapshot", async () => {
    const before = await snapshots()
    await writeFile(local("sent"), "from the host\n")
    const session = await sftp(
      "pwd",
      `put ${local("sent")} arrived`,
      "mkdir deep",
      "rename arrived deep/moved",
      "chmod 600 deep/moved",
      "symlink deep/moved link",
      "ls -1",
      `get link ${local("back")}`,
    )
    expect(session).toMatchObject({ code: 0, stderr: "" })
    expect(session.stdout).toMatch(/Remote working directory: \/workspace\n.*\ndeep\nlink\n/s)
    expect(await readFile(local("back"), "utf8")).toBe("from the host\n")
    expect(await inGuest("stat -c '%a %U' deep/moved; cat link")).toBe("600 root\nfrom the host\n")

    const after = await snapshots()
    expect(after.slice(before.length)).toMatchObject([
      { snapshot_name: matching(/^cmd_\d+$/), command: "sftp" },
    ])
    expect((await sftp("rm link", "rm deep/moved", "rmdir deep")).code).toBe(0)
    succeeded(await sandbox.restore(after.at(-1)?.snapshot_name ?? ""))
    expect(await inGuest("cat link")).toBe("from the host\n")
  })

  test("tells what goes wrong in the guest", async () => {
    const missing = await sftp(`get no-such-file ${local("none")}`)
    expect(missing).toMatchObject({ code: 1, stderr: matching(/not found/) })
  })

  test("of an image without a server says what to do", async () => {
    const program = "/usr/lib/openssh/sftp-server"
    await inGuest(`mv ${program} ${program}.away`)
    const refused = await sftp("pwd")
    await inGuest(`mv ${program}.away ${program}`)

    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/opensandbox: the image of this sandbox has no SFTP server/)
  })
})

describe("scp", () => {
  test("copies a tree there and back, with modes and times", async () => {
    await mkdir(local("tree/inner"), { recursive: true })
    await writeFile(local("tree/inner/script"), "#!/bin/sh\n", { mode: 0o755 })
    await writeFile(local("tree/ä file"), "with a name\n")
    const there = await exec("scp", [...login, "-rp", local("tree"), `${host}:copied`])
    expect(there).toMatchObject({ code: 0, stderr: "" })
    expect(await inGuest("stat -c %a copied/inner/script; cat 'copied/ä file'")).toBe("755\nwith a name\n")

    const back = await exec("scp", [...login, "-rp", `${host}:copied`, local("returned")])
    expect(back).toMatchObject({ code: 0, stderr: "" })
    const [sent, returned] = await Promise.all([
      stat(local("tree/inner/script")),
      stat(local("returned/inner/script")),
    ])
    expect([returned.mode, Math.trunc(returned.mtimeMs / 1000)]).toEqual([
      sent.mode,
      Math.trunc(sent.mtimeMs / 1000),
    ])
  })

  test("brings 30 MB there and back, to the byte", async () => {
    const content = randomBytes(30_000_000)
    await writeFile(local("large"), content)
    expect(await exec("scp", [...login, local("large"), `${host}:large`])).toMatchObject({ code: 0 })
    expect(await inGuest("sha256sum < large")).toBe(`${hashOf(content)}  -\n`)
    expect(await exec("scp", [...login, `${host}:large`, local("large-back")])).toMatchObject({ code: 0 })
    expect(hashOf(await readFile(local("large-back")))).toBe(hashOf(content))
  })

  test("of the old protocol works as well", async () => {
    await writeFile(local("old"), "as ever\n")
    expect(await exec("scp", ["-O", ...login, local("old"), `${host}:/tmp/old`])).toMatchObject({ code: 0 })
    expect(await inGuest("cat /tmp/old")).toBe("as ever\n")
  })
})

test("rsync brings a tree to what it is on the host, and back", async () => {
  const rsync = (...args: string[]) =>
    exec("rsync", ["-a", "--delete", "-e", ["ssh", ...login].join(" "), ...args])
  const directory = local("project")
  await mkdir(join(directory, "src"), { recursive: true })
  await writeFile(join(directory, "src/one"), "1\n")
  await writeFile(join(directory, "src/two"), "2\n")
  expect(await rsync(`${directory}/`, `${host}:project/`)).toMatchObject({ code: 0, stderr: "" })
  expect(await inGuest("cat project/src/*")).toBe("1\n2\n")

  await rm(join(directory, "src/one"))
  await writeFile(join(directory, "src/two"), "zwei\n")
  expect(await rsync(`${directory}/`, `${host}:project/`)).toMatchObject({ code: 0, stderr: "" })
  expect(await inGuest("ls project/src; cat project/src/two")).toBe("two\nzwei\n")

  await inGuest("echo 3 > project/src/three")
  expect(await rsync(`${host}:project/`, `${directory}/`)).toMatchObject({ code: 0, stderr: "" })
  expect(await readFile(join(directory, "src/three"), "utf8")).toBe("3\n")
})
