import { beforeAll, describe, expect, test } from "vitest"
import type { RunOptions, Sandbox } from "opensandbox"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
  return () => server.dispose()
}, serverStartMs)

/** What a command prints that ends well. */
async function printed(command: string, options: Omit<RunOptions, "snapshot"> = {}): Promise<string> {
  const { stdout, stderr, exitCode } = succeeded(await sandbox.run(command, options))
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 })
  return stdout
}

describe("the directory", () => {
  test("is where the command starts; a relative one begins in the workspace", async () => {
    succeeded(await sandbox.run("mkdir -p 'a b/c' && ln -s /etc link"))
    expect(await printed("pwd", { cwd: "/usr/lib/.." })).toBe("/usr\n")
    expect(await printed("pwd", { cwd: "a b/c" })).toBe("/workspace/a b/c\n")
    expect(await printed("pwd", { cwd: "../etc" })).toBe("/etc\n")
    expect(await printed("pwd -P", { cwd: "link" })).toBe("/etc\n")
  })

  test("that is not there, or is none, is an invalid request, and nothing runs", async () => {
    succeeded(await sandbox.run("touch file; rm -f ran"))
    for (const cwd of ["missing", "/workspace/file", "/workspace/file/below"]) {
      const failure = failed(await sandbox.run("touch /workspace/ran", { cwd }))
      expect(failure).toMatchObject({ code: "invalid_request", field: "cwd" })
      expect(failure.error).toContain(cwd)
    }
    expect(succeeded(await sandbox.run("test -e ran")).exitCode).toBe(1)
  })
})

test("the environment is added to the usual one", async () => {
  const env = { ADDED: "one two\n'three'", PATH: "/bin:/usr/bin", EMPTY: "", "odd name": "x" }
  expect(await printed('echo "$ADDED"; echo "$PATH"; echo "${EMPTY-unset}"; echo $HOME', { env })).toBe(
    "one two\n'three'\n/bin:/usr/bin\n\n/root\n",
  )
  const large = { LARGE: "x".repeat(128 * 1024 - 7) }
  expect(await printed("printf %s $LARGE | wc -c", { env: large })).toBe("131065\n")
  expect(await printed("echo ${ADDED-gone}")).toBe("gone\n")
})

describe("the user", () => {
  test("runs the command with their own groups and home, and cannot do what only root can", async () => {
    succeeded(await sandbox.run("useradd -m -G adm,audio ann && chmod 700 /root"))
    const seen = "id -un; id -Gn; echo $HOME $USER $LOGNAME; touch ~/mine; stat -c %U ~/mine"
    const expected = "ann\nann adm audio\n/home/ann ann ann\nann\n"
    expect(await printed(seen, { user: "ann" })).toBe(expected)
    const uid = (await printed("id -u ann")).trim()
    expect(await printed(seen, { user: Number(uid) })).toBe(expected)
    expect(await printed(seen, { user: uid, cwd: "/home/ann" })).toBe(expected)
    expect(succeeded(await sandbox.run("touch /workspace/theirs", { user: "ann" })).exitCode).toBe(1)
    expect(succeeded(await sandbox.run("kill -9 1; cat /etc/shadow", { user: "ann" })).exitCode).toBe(1)
    expect(await printed("ls -d $PWD", { user: "ann" })).toBe("/workspace\n")
  })

  test("reads what they are given, writes by name, and may have a long command", async () => {
    const user = "nobody"
    expect(await printed("cat; echo by name > /dev/stdout", { user, stdin: "in\n" })).toBe("in\nby name\n")
    expect(await printed(`id -un; : ${"x".repeat(200_000)}`, { user })).toBe("nobody\n")
  })

  test("is killed with everything when the time is up", async () => {
    const command = "setsid sleep 4001 & trap '' TERM; sleep 4002"
    expect(failed(await sandbox.run(command, { user: "nobody", timeout: 1 })).code).toBe("timeout")
    expect(succeeded(await sandbox.run("pgrep -ax sleep")).stdout).toBe("")
  })

  test("that the guest does not know is an invalid request; so is a directory that is closed to them", async () => {
    for (const user of ["mallory", 4711]) {
      const failure = failed(await sandbox.run("true", { user }))
      expect(failure).toMatchObject({ code: "invalid_request", field: "user" })
      expect(failure.error).toContain(String(user))
    }
    expect(failed(await sandbox.run("true", { user: "nobody", cwd: "/root" }))).toMatchObject({
      code: "invalid_request",
      field: "cwd",
    })
  })
})

describe("the input", () => {
  test("comes to its end, as text or as bytes, up to 1 MiB", async () => {
    expect(await printed("cat; echo end", { stdin: "ü\n" })).toBe("ü\nend\n")
    expect(await printed("wc -c", { stdin: "" })).toBe("0\n")
    const bytes = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => index * 7)
    const { stdout } = succeeded(await sandbox.run("cat", { stdin: bytes, encoding: "buffer" }))
    expect(Buffer.compare(stdout, bytes)).toBe(0)
    expect(failed(await sandbox.run("cat", { stdin: "x".repeat(1024 * 1024 + 1) }))).toMatchObject({
      code: "invalid_request",
      field: "stdin",
    })
  })

  test("need not be read", async () => {
    const stdin = new Uint8Array(1024 * 1024)
    expect(await printed("head -c 1 | wc -c", { stdin })).toBe("1\n")
    expect(await printed("exec <&-; echo closed", { stdin })).toBe("closed\n")
  })
})

describe("output as bytes", () => {
  test("is what was printed, byte by byte", async () => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index)
    succeeded(await sandbox.run("cat > all", { stdin: all }))
    const result = succeeded(await sandbox.run("cat all; cat all >&2; exit 3", { encoding: "buffer" }))
    expect(result).toMatchObject({ exitCode: 3, stdoutTruncated: false })
    expect([...result.stdout]).toEqual([...all])
    expect([...result.stderr]).toEqual([...all])
  })

  test("of a failure is text all the same", async () => {
    const late = failed(await sandbox.run("echo begun; sleep 100", { encoding: "buffer", timeout: 1 }))
    expect(late).toMatchObject({ code: "timeout", stdout: "begun\n" })
  })
})
