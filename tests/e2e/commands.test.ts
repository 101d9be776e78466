import { beforeAll, describe, expect, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mebibyte = 1024 * 1024

/** How long an answer that has to come at once may take on a busy machine. */
const promptlyMs = 15_000

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

/** The answer and the milliseconds that it took. */
async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now()
  const result = await work()
  return { result, ms: performance.now() - start }
}

describe("a command that takes too long", () => {
  test("is answered in time, with what it printed, and nothing of it goes on", async () => {
    const sandbox = await server.create()
    const command = [
      "echo begun; echo warned >&2",
      "sleep 1001 &",
      "setsid sleep 1002 &",
      "(setsid sh -c 'trap \"\" TERM INT HUP; while :; do sleep 1003; done' &)",
      "nohup setsid sh -c 'setsid sleep 1004 & sleep 1005' > /dev/null 2>&1 &",
      "trap '' TERM; sleep 1006",
    ].join("\n")
    const { result, ms } = await timed(() => sandbox.run(command, 2))
    const failure = failed(result)
    expect(failure).toMatchObject({ code: "timeout", stdout: "begun\n", stderr: "warned\n" })
    expect(failure.error).toContain("begun")
    expect(ms).toBeGreaterThanOrEqual(2_000)
    expect(ms).toBeLessThan(promptlyMs)
    expect(succeeded(await sandbox.run("pgrep -ax sleep; pgrep -af 'sleep 100[3]'")).stdout).toBe("")
    const names = succeeded(await sandbox.snapshots()).snapshots.map((each) => each.command)
    expect(names).toEqual([null, "pgrep -ax sleep; pgrep -af 'sleep 100[3]'"])
  })

  test("spares what other commands started", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("sleep 2001 > /dev/null 2>&1 &"))
    const [late, other] = await Promise.all([sandbox.run("sleep 2002", 1), sandbox.run("sleep 3; echo done")])
    expect(failed(late).code).toBe("timeout")
    expect(succeeded(other).stdout).toBe("done\n")
    expect(succeeded(await sandbox.run("pgrep -ax sleep")).stdout).toMatch(/^\d+ sleep 2001\n$/)
  })

  test("may have a fraction of a second", async () => {
    const sandbox = await server.create()
    expect(failed(await sandbox.run("sleep 1000", 0.25)).code).toBe("timeout")
    expect(succeeded(await sandbox.run("true")).exitCode).toBe(0)
  })
})

describe("output", () => {
  test("is complete as soon as the command has ended, whoever still holds the pipe", async () => {
    const sandbox = await server.create()
    const { result, ms } = await timed(() => sandbox.run("sleep 1000 & echo started"))
    expect(succeeded(result).stdout).toBe("started\n")
    expect(ms).toBeLessThan(promptlyMs)
    expect(succeeded(await sandbox.run("pgrep -xc sleep")).stdout).toBe("1\n")
  })

  test("of 20 MB is cut at 8 MiB, each stream for itself", async () => {
    const sandbox = await server.create()
    const big = succeeded(await sandbox.run("head -c 20000000 /dev/zero | tr '\\0' x; echo end >&2", 120))
    expect(big).toMatchObject({ exitCode: 0, stdoutTruncated: true, stderrTruncated: false, stderr: "end\n" })
    expect(big.stdout.length).toBe(8 * mebibyte)
    expect(/^x+$/.test(big.stdout)).toBe(true)
    const exact = succeeded(await sandbox.run(`head -c ${8 * mebibyte} /dev/zero | tr '\\0' y >&2`, 120))
    expect(exact).toMatchObject({ stdout: "", stdoutTruncated: false, stderrTruncated: false })
    expect(exact.stderr.length).toBe(8 * mebibyte)
  })

  test("that is no UTF-8 is shown as such, and everything else to the letter", async () => {
    const sandbox = await server.create()
    const text = "a\0b\r\n\t\u001b[1m€ 𝄞 \ufeff日本"
    const escaped = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")
    expect(succeeded(await sandbox.run(`printf '%b' '${escaped}'`)).stdout).toBe(text)
    expect(succeeded(await sandbox.run("printf 'ok \\xff\\xfe \\xe2\\x82 end'")).stdout).toBe(
      "ok \ufffd\ufffd \ufffd end",
    )
    const all = succeeded(
      await sandbox.run("head -c 65536 /dev/urandom | tee random; head -c 65536 random >&2"),
    )
    expect(all.stderr).toBe(all.stdout)
  })
})

describe("input", () => {
  test("a command may be longer than 128 KiB and hold a here-document", async () => {
    const sandbox = await server.create()
    const document = `${"0123456789 'quoted' \"twice\" $HOME \\ ü\n".repeat(3600)}end\n`
    expect(document.length).toBeGreaterThan(128 * 1024)
    const { stdout } = succeeded(
      await sandbox.run(`cat > document <<'END'\n${document}END\nsha256sum < document; cat document`),
    )
    expect(stdout.slice(stdout.indexOf("\n") + 1)).toBe(document)
    const comment = `echo long; : ${"x".repeat(256 * 1024 - 20)}`
    expect(succeeded(await sandbox.run(comment)).stdout).toBe("long\n")
  })

  test("a command's standard input is empty", async () => {
    const sandbox = await server.create()
    expect(succeeded(await sandbox.run("cat; wc -c; test -t 0 || echo no terminal")).stdout).toBe(
      "0\nno terminal\n",
    )
  })

  test("each command starts afresh, in /workspace", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("cd /tmp; export LEFT=over; umask 077; ulimit -n 20"))
    expect(
      succeeded(await sandbox.run("pwd; echo ${LEFT-nothing}; umask; test $(ulimit -n) -gt 100")).stdout,
    ).toBe("/workspace\nnothing\n0022\n")
    succeeded(await sandbox.run("rmdir /workspace || mv /workspace /elsewhere"))
    expect(succeeded(await sandbox.run("echo still here")).stdout).toBe("still here\n")
  })
})

describe("many commands", () => {
  test("overlap: each waits for what only the other one does", async () => {
    const sandbox = await server.create()
    const meet = (mine: string, theirs: string) =>
      sandbox.run(`touch ${mine}; until test -e ${theirs}; do sleep 0.05; done; echo met`)
    const results = await Promise.all([meet("a", "b"), meet("b", "a")])
    const [one, other] = results.map((result) => succeeded(result))
    expect([one?.stdout, other?.stdout]).toEqual(["met\n", "met\n"])
    expect(one?.snapshot).not.toBe(other?.snapshot)
  })

  test("20 at once all get their own answers and snapshots", async () => {
    const sandbox = await server.create()
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sandbox.run(`echo ${index} | tee file-${index}`, 120)),
    )
    const answers = results.map((result) => succeeded(result))
    expect(answers.map(({ stdout }) => stdout)).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index}\n`),
    )
    expect(new Set(answers.map(({ snapshot }) => snapshot)).size).toBe(20)
    expect(succeeded(await sandbox.run("ls | wc -l")).stdout).toBe("20\n")
  })

  test("100 in a row leave 100 snapshots, each one's own", { timeout: 120_000 }, async () => {
    const sandbox = await server.create()
    const names: string[] = []
    for (let index = 0; index < 100; index += 1) {
      names.push(succeeded(await sandbox.run(`echo ${index} > count`)).snapshot)
    }
    const listed = succeeded(await sandbox.snapshots()).snapshots.map((each) => each.snapshot_name)
    expect(listed).toEqual(["initial", ...names])
    expect(names.toSorted()).toEqual(names)
    for (const index of [97, 50, 3]) {
      succeeded(await sandbox.restore(names[index] ?? ""))
      expect(succeeded(await sandbox.run("cat count")).stdout).toBe(`${index}\n`)
    }
  })
})

describe("a command in flight", () => {
  test("ends with `interrupted` when a restore comes", async () => {
    const sandbox = await server.create()
    const running = sandbox.run("echo begun; touch /tmp/started; sleep 1000", 600)
    await expect
      .poll(async () => succeeded(await sandbox.run("ls /tmp/started")).exitCode, { timeout: 20_000 })
      .toBe(0)
    succeeded(await sandbox.restore("initial"))
    const { result, ms } = await timed(() => running)
    expect(failed(result)).toMatchObject({ code: "interrupted", stdout: "begun\n" })
    expect(ms).toBeLessThan(promptlyMs)
    expect(succeeded(await sandbox.run("pgrep -x sleep; ls /tmp")).stdout).toBe("")
    expect(succeeded(await sandbox.snapshots()).snapshots).toHaveLength(2)
  })

  test("ends when its sandbox is destroyed", async () => {
    const sandbox = await server.create()
    const running = sandbox.run("touch /tmp/started; sleep 1000", 600)
    await expect
      .poll(async () => succeeded(await sandbox.run("ls /tmp/started")).exitCode, { timeout: 20_000 })
      .toBe(0)
    succeeded(await sandbox.destroy())
    const { result, ms } = await timed(() => running)
    expect(["interrupted", "not_found"]).toContain(failed(result).code)
    expect(ms).toBeLessThan(promptlyMs)
  })

  test("longer than its headers may take comes as an event stream", async () => {
    const sandbox = await server.create()
    expect(succeeded(await sandbox.run("echo streamed; exit 3", 3600))).toMatchObject({
      stdout: "streamed\n",
      exitCode: 3,
    })
    expect(failed(await server.sandbox("nobody").run("true", 3600)).code).toBe("not_found")
  })

  test("a background process ends at a restore", async () => {
    const sandbox = await server.create()
    succeeded(await sandbox.run("(while :; do date +%s%N > /tmp/tick; sleep 0.05; done) > /dev/null 2>&1 &"))
    const tick = async () => succeeded(await sandbox.run("cat /tmp/tick")).stdout
    const first = await tick()
    await expect.poll(tick, { timeout: 20_000 }).not.toBe(first)
    succeeded(await sandbox.restore("initial"))
    expect(succeeded(await sandbox.run("ls /tmp/tick; pgrep -f 'date [+]'")).stdout).toBe("")
  })
})
