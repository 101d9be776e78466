import { readFile } from "node:fs/promises"
import type { Sandbox } from "opensandbox"
import { beforeAll, beforeEach, describe, expect, test } from "vitest"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** How long it may take until a caller knows that the guest is gone. */
const promptlyMs = 30_000

let server: TestServer
/** Another sandbox, which must never notice anything. */
let neighbour: Sandbox
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  neighbour = await server.create()
  succeeded(await neighbour.run("echo untouched > file; sleep infinity > /dev/null 2>&1 &"))
  return async () => {
    expect(succeeded(await neighbour.run("cat file; pgrep -xc sleep")).stdout).toBe("untouched\n1\n")
    await server.dispose()
  }
}, serverStartMs)

beforeEach(async () => {
  sandbox = await server.create()
  return async () => {
    succeeded(await sandbox.destroy())
  }
})

/** The sandbox works, and so does going back to its beginning. */
async function expectUsable(): Promise<void> {
  expect(succeeded(await sandbox.run("echo $((6 * 7)) > answer; cat answer")).stdout).toBe("42\n")
  await expectRestorable()
}

async function expectRestorable(): Promise<void> {
  succeeded(await sandbox.restore("initial"))
  expect(succeeded(await sandbox.run("ls -A; ls /etc/passwd")).stdout).toBe("/etc/passwd\n")
}

async function timed<T>(work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const result = await work()
  expect(performance.now() - start).toBeLessThan(promptlyMs)
  return result
}

describe("a command that ends the guest", () => {
  test.each([
    ["a kernel panic", "echo c > /proc/sysrq-trigger"],
    ["a power-off", "python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'"],
    ["a reboot", "echo b > /proc/sysrq-trigger"],
  ])("by %s: what was synced is there at the next command", async (_, end) => {
    const { snapshot } = succeeded(await sandbox.run("echo before > before"))
    const result = await timed(() =>
      sandbox.run(`echo said; echo synced > synced; sync; ${end}; sleep 600`, 300),
    )
    expect(failed(result)).toMatchObject({ code: "unavailable", stdout: "said\n" })
    expect(succeeded(await sandbox.run("cat before synced")).stdout).toBe("before\nsynced\n")
    succeeded(await sandbox.restore(snapshot))
    expect(succeeded(await sandbox.run("ls -A")).stdout).toBe("before\n")
    expect(succeeded(await sandbox.info()).vm).toMatchObject({ status: "running", agentHealthy: true })
  })

  test("by starving it of its processor: the timeout holds", async () => {
    const hog = "sysctl -qw kernel.sched_rt_runtime_us=-1; chrt -f 99 sh -c 'while :; do :; done'"
    expect(failed(await timed(() => sandbox.run(hog, 3))).code).toBe("timeout")
    await expectUsable()
  })
})

describe("a command that takes all there is", () => {
  test("of memory: it ends, and the sandbox goes on", async () => {
    const hog = "python3 -c 'kept = []\nwhile True: kept.append(b\"x\" * (1 << 20))'"
    const result = await timed(() => sandbox.run(hog, 60))
    if (result.success) expect(result.exitCode).not.toBe(0)
    await expectUsable()
  })

  test("of memory, by files in memory: the sandbox can be restored", async () => {
    await timed(() =>
      sandbox.run("head -c 4G /dev/zero > /dev/shm/a & head -c 4G /dev/zero > /run/b; wait", 60),
    )
    await expectRestorable()
  })

  test("of processes: the timeout holds, and nothing of it remains", async () => {
    expect(failed(await timed(() => sandbox.run("bomb() { bomb | bomb; }; bomb", 3))).code).toBe("timeout")
    expect(succeeded(await sandbox.run("pgrep -fc bom[b] || true")).stdout).toBe("0\n")
    await expectUsable()
  })

  test("of processes, in the background: the sandbox can be restored", async () => {
    await timed(() => sandbox.run("bomb() { bomb | bomb & }; bomb", 3))
    await timed(() => sandbox.run("true", 3))
    await expectRestorable()
  })

  test("of its disk: an error from the guest, and the sandbox goes on", async () => {
    const { snapshot } = succeeded(await sandbox.run("echo kept > kept"))
    const full = succeeded(
      await sandbox.run(
        "fallocate -l 9G big; fallocate -l 9G more; head -c 20G /dev/zero | head -c 1M > rest",
        120,
      ),
    )
    expect(full.stderr).toMatch(/No space left/)
    expect(succeeded(await sandbox.run("ls big")).stdout).toBe("big\n")
    succeeded(await sandbox.restore(snapshot))
    expect(succeeded(await sandbox.run("ls; df --output=pcent /")).stdout).toMatch(/^kept\n.*\n *\d%\n$/)
    succeeded(await sandbox.run("fallocate -l 9G big"))
    succeeded(await sandbox.wipe())
    expect(succeeded(await sandbox.run("ls -A; fallocate -l 8G again && echo room")).stdout).toBe("room\n")
  })

  test("of the output: what is kept is bounded, and so is the server", async () => {
    const failure = failed(await timed(() => sandbox.run("yes & yes no >&2", 4)))
    expect(failure.code).toBe("timeout")
    expect(failure.stdout?.length).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(failure.stderr?.length).toBeLessThanOrEqual(8 * 1024 * 1024)
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${server.pid}/status`, "utf8"))?.[1]
    expect(Number(resident)).toBeLessThan(600 * 1024)
    await expectUsable()
  })
})

/** A shell command like chattr: 0x10 makes a file immutable, 0x20 lets it only grow. */
const protect = (path: string, flags: number) =>
  `python3 -c 'import fcntl, os, struct; fcntl.ioctl(os.open("${path}", os.O_RDONLY), 0x40086602, struct.pack("l", ${flags}))'`

describe("wipe()", () => {
  test("empties what resists: immutable files, mounts, odd names, deep trees", async () => {
    const { stderr, exitCode } = succeeded(
      await sandbox.run(
        [
          `touch fixed && ${protect("fixed", 0x10)}`,
          `mkdir appended && touch appended/file && ${protect("appended", 0x20)}`,
          "mkdir memory && mount -t tmpfs none memory && touch memory/file",
          "mkdir system && mount --bind /etc system",
          "mkdir readonly && mount -t tmpfs none readonly && touch readonly/file && mount -o remount,ro readonly",
          "printf x > $'new\\nline' && printf x > -rf && printf x > '*'",
          "mkfifo fifo && ln -s /etc/passwd link && ln -s . loop",
          "deep=$(printf 'd/%.0s' $(seq 500)) && mkdir -p $deep && touch $deep/file",
          "{ (cd memory && exec sleep 3001) > /dev/null 2>&1 & }",
          "! rm -rf fixed 2> /dev/null",
        ].join(" && "),
      ),
    )
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 })
    succeeded(await sandbox.wipe())
    const after = succeeded(await sandbox.run("ls -A /workspace; wc -l < /etc/passwd; pwd; touch new && ls"))
    expect(after.stdout).toMatch(/^\d+\n\/workspace\nnew\n$/)
  })

  test.each([
    ["a link to elsewhere", "ln -s /etc /workspace"],
    ["a file", "touch /workspace"],
    ["a mount of something else", "mkdir /workspace && mount --bind /etc /workspace"],
    ["missing", "true"],
  ])("makes a fresh workspace where it is %s, and spares the rest", async (_, make) => {
    succeeded(await sandbox.run(`cd / && rm -rf /workspace && ${make}`))
    succeeded(await sandbox.wipe())
    const { stdout } = succeeded(await sandbox.run("pwd -P; ls -A; stat -c %F /workspace; ls /etc/passwd"))
    expect(stdout).toBe("/workspace\ndirectory\n/etc/passwd\n")
  })
})

describe("a command that fights the agent", () => {
  test.each([
    [
      "writes to its port",
      "for p in /dev/vport*; do (while :; do head -c 65536 /dev/urandom; done > $p) & done; sleep 600",
    ],
    [
      "speaks in its place",
      `cat > speak.py << 'END'
import itertools, json, os, struct, sys
port = os.open(sys.argv[1], os.O_WRONLY)
messages = [json.dumps(m).encode() for m in ({"ok": True}, {"ok": True, "uptimeMs": 1}, {"event": "x" * 8000}, [])]
for stream in itertools.cycle(range(1, 300)):
    for kind in (4, 7, 8, 9, 12):
        for payload in (*messages, b"\\0\\0\\0\\1\\0"):
            os.write(port, struct.pack(">HBBII", 0x4F53, 1, kind, stream, len(payload)) + payload)
END
for p in /dev/vport*; do python3 speak.py $p & done; sleep 600`,
    ],
    [
      "writes to its memory and kills it",
      "kill -9 1; head -c 1M /dev/urandom > /proc/1/mem; kill -STOP 1; sleep 600",
    ],
    [
      "takes its devices away",
      "echo 1 > /sys/class/block/vdb/device/device/remove; rm -rf /dev/*; sleep 600",
    ],
    ["unmounts everything", "umount -al; umount -l /; umount -l /proc; sleep 600"],
    ["removes everything", "rm -rf --one-file-system --no-preserve-root / 2> /dev/null; sleep 600"],
    [
      "leaves its group",
      "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo $$ > $f; done; setsid -w sleep 600",
    ],
    [
      "unplugs the port",
      "for d in /sys/bus/virtio/drivers/virtio_console/virtio*; do echo ${d##*/} > ${d%/*}/unbind; done; sleep 600",
    ],
    [
      "shuts its control group",
      "echo 0 > /sys/fs/cgroup/sandbox/pids.max; echo 1 > /sys/fs/cgroup/sandbox/cgroup.freeze; sleep 600",
    ],
  ])("%s: only its own sandbox suffers, and a restore mends it", async (_, attack) => {
    const failure = failed(await timed(() => sandbox.run(attack, 2)))
    expect(["timeout", "unavailable"]).toContain(failure.code)
    expect(succeeded(await neighbour.run("cat file")).stdout).toBe("untouched\n")
    const after = await timed(() => sandbox.run("pgrep -x sleep", 3))
    if (after.success) expect(after.stdout).toBe("")
    await expectRestorable()
    expect(succeeded(await sandbox.run("pgrep -x sleep")).stdout).toBe("")
  })
})
