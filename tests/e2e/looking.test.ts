import { createHash } from "node:crypto"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { differences, guestFiles } from "../support/guest-files.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

/** A viewer that nobody uses ends half a minute after its last use. */
const idleMs = 60_000

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

beforeEach(async () => {
  sandbox = await server.create()
  return async () => {
    succeeded(await sandbox.destroy())
  }
})

/** Runs a command that has to end well. @returns the snapshot that follows it. */
async function snapshotAfter(command: string): Promise<string> {
  const { snapshot, exitCode, stderr } = succeeded(await sandbox.run(`set -e; ${command}`, 120))
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" })
  return snapshot
}

/** A diff in short: A, M or D, and the path. */
async function changes(from: string, to?: string): Promise<string[]> {
  const diff = succeeded(await sandbox.diff(from, to))
  expect(diff.truncated).toBe(false)
  return diff.changes.map(
    ({ change, path }) => `${{ added: "A", changed: "M", removed: "D" }[change]} ${path}`,
  )
}

function layerFiles(): string[] {
  return readdirSync(join(server.dataDirectory, "layers")).filter((name) => name.endsWith(".qcow2"))
}

describe("a diff", () => {
  test("tells exactly what a listing of all files before and after tells", async () => {
    // Also of the image's own files: overlaid, moved with what is in them, replaced, taken away.
    const directories = ["/etc", "/srv", "/workspace", "/usr/share/base-files", "/usr/share/papers"]
    const [first, second] = [
      [
        "mkdir -p a/b/c many; echo 1 > a/b/file; echo 2 > a/two; ln -s two a/link; ln a/two a/hard; mkfifo a/fifo",
        "for n in $(seq 300); do echo $n > many/$n; done",
        "echo kept > kept; echo 123 > same-size; truncate -s 5M sparse; chmod 4755 a/two",
        "mv /usr/share/base-files /usr/share/papers; echo more >> /usr/share/papers/motd",
        "mv /etc/skel /workspace/skel; rm -r /etc/cron.daily /etc/issue; touch /etc/motd",
      ],
      [
        "mv a/b b; rm a/link; ln -s elsewhere a/link; chmod 600 a/two; chown 12:34 kept; echo 321 > same-size",
        "rm many/1??; for n in 7 77; do echo changed > many/$n; done; touch -d 2001-01-01 many/8; cp many/9 9; mv 9 many/9",
        "mv /usr/share/papers /srv/papers; rm /srv/papers/info.dir; mkdir /usr/share/base-files; echo > /usr/share/base-files/motd",
        "rm a/fifo; mkdir a/fifo; rm sparse; ln -s /etc sparse; mknod node c 1 3",
        "mkdir /etc/cron.daily; echo new > /etc/cron.daily/dpkg; rm -r /etc/pam.d; echo file > /etc/pam.d; chmod 700 /etc/ssl",
        "mv skel/.profile skel/profile; mkdir skel/deeper; mv skel /etc/skel; chmod 640 /etc/motd",
      ],
    ]
    const trees = [await guestFiles(sandbox, directories)]
    const snapshots = ["initial"]
    for (const commands of [first, second]) {
      snapshots.push(await snapshotAfter(commands.join("; ")))
      trees.push(await guestFiles(sandbox, directories))
    }
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 1],
      [0, 2],
      [2, 0],
    ] as const) {
      const expected = differences(trees[from] ?? new Map(), trees[to] ?? new Map())
      expect(expected.length).toBeGreaterThan(50)
      const diff = succeeded(await sandbox.diff(snapshots[from] ?? "", snapshots[to]))
      expect(diff.changes).toEqual(expected)
      expect(diff).toMatchObject({ from: snapshots[from], to: snapshots[to], truncated: false })
    }
  })

  test("keeps apart names that no terminal could show", async () => {
    const before = await snapshotAfter("true")
    const names = ["a\\nb", "\\042quoted\\047", "\\377\\376", "\\303(", "é", "\\356\\276\\200", " "]
    const after = await snapshotAfter(names.map((name) => `: > "$(printf '${name}.')"`).join("; "))
    const added = (await changes(before, after)).map((change) => change.slice("A /workspace/".length))
    expect(added).toHaveLength(names.length)
    expect(new Set(added).size).toBe(names.length)
    expect(added).toEqual(expect.arrayContaining(["a\nb.", "\"quoted'.", "é.", " ."]))
  })

  test("is of the present when no second snapshot is named, and leaves the machine alone", async () => {
    const count =
      "(while :; do echo again >> count; sleep 0.05; done) > /dev/null 2>&1 & echo $! > pid; until [ -s count ]; do :; done"
    const before = await snapshotAfter(`echo 1 > file; ${count}`)
    expect(await changes(before)).not.toContain("M /workspace/file")
    const goesOn = `before=$(cat count); until [ "$(cat count)" != "$before" ]; do sleep 0.02; done`
    succeeded(await sandbox.run(`echo 22 > file; echo new > other; ${goesOn}`, { snapshot: false }))
    const present = await changes(before)
    expect(present).toEqual(expect.arrayContaining(["M /workspace/file", "A /workspace/other"]))
    expect(present).toContain("M /workspace/count")
    expect(succeeded(await sandbox.snapshots()).snapshots.map((one) => one.snapshot_name)).toEqual([
      "initial",
      before,
    ])
    expect(succeeded(await sandbox.run(`${goesOn}; kill -0 $(cat pid)`)).exitCode).toBe(0)
  })

  test("of a snapshot with itself, or of snapshots between which nothing changed, is empty", async () => {
    const before = await snapshotAfter("echo 1 > file")
    const after = await snapshotAfter("cat file > /dev/null")
    expect(await changes(before, before)).toEqual([])
    expect(await changes(before, after)).toEqual([])
    expect(await changes(before)).toEqual([])
  })

  test("takes labels for names, and says which snapshot it was", async () => {
    succeeded(await sandbox.run("echo 1 > file"))
    const { snapshot } = succeeded(await sandbox.snapshot("milestone"))
    succeeded(await sandbox.run("rm file"))
    const diff = succeeded(await sandbox.diff("milestone"))
    expect(diff).toMatchObject({ from: snapshot.snapshot_name, to: null })
    expect(diff.changes.map(({ path }) => path)).toEqual(["/workspace/file"])
    expect(failed(await sandbox.diff("none")).code).toBe("not_found")
    expect(failed(await sandbox.diff("milestone", "none")).code).toBe("not_found")
  })

  test("shows the lines of a text file on request, and says why it does not", async () => {
    const before = await snapshotAfter(
      "seq 20 > text; head -c 1000 /dev/zero > zero; seq 1000000 > large; ln -s text link",
    )
    const after = await snapshotAfter(
      "sed -i s/10/ten/ text; echo text > zero; echo small > large; echo 1 > 'new file'",
    )
    const patch = async (path: string) => succeeded(await sandbox.diff(before, after, { patch: path })).patch
    const refused = async (path: string) => {
      const { code, error } = failed(await sandbox.diff(before, after, { patch: path }))
      return { code, error }
    }
    const hunk = "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
    expect(await patch("text")).toBe(`--- a/workspace/text\n+++ b/workspace/text\n${hunk}`)
    expect(await patch("/workspace/link")).toBe(`--- a/workspace/link\n+++ b/workspace/link\n${hunk}`)
    expect(await patch("/etc/passwd")).toBe("")
    expect(await patch("new file")).toBe("--- /dev/null\n+++ b/workspace/new file\n@@ -0,0 +1,1 @@\n+1\n")
    for (const path of ["zero", "large", "/etc"]) expect((await refused(path)).code).toBe("invalid_request")
    expect((await refused("none")).code).toBe("not_found")
  })
})

describe("a file as it was", () => {
  test("is the same byte for byte, whatever became of it", async () => {
    const snapshot = await snapshotAfter(
      "head -c 3000001 /dev/urandom > random; ln -s /workspace/random link; sha256sum random > sum",
    )
    await snapshotAfter("rm random link; echo gone > sum")
    const hash = succeeded(await sandbox.readAt(snapshot, "sum")).content.slice(0, 64)
    for (const path of ["random", "/workspace/random", "link", "../workspace/./random"]) {
      const { bytes } = succeeded(await sandbox.readAt(snapshot, path))
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(hash)
    }
    expect(succeeded(await sandbox.readAt("initial", "/etc/debian_version")).content).toMatch(/^\d+/)
  })

  test("is refused when it is none, or too large", async () => {
    const snapshot = await snapshotAfter(
      "truncate -s 65M large; mkfifo fifo; mkdir directory; mknod device c 1 3; ln -s nowhere dangling; ln -s loop loop",
    )
    const code = async (path: string) => failed(await sandbox.readAt(snapshot, path)).code
    expect(await code("large")).toBe("too_large")
    for (const path of ["fifo", "directory", "device"])
      expect([path, await code(path)]).toEqual([path, "invalid_request"])
    for (const path of ["none", "dangling", "none/below"])
      expect([path, await code(path)]).toEqual([path, "not_found"])
    expect(failed(await sandbox.readAt("none", "/etc/passwd")).code).toBe("not_found")
    expect(failed(await sandbox.readAt(snapshot, "a\0b")).code).toBe("invalid_request")
  })
})

describe("looking leaves nothing behind", () => {
  test(
    "once nobody looked for a while",
    async () => {
      const snapshot = await snapshotAfter("echo 1 > file")
      await snapshotAfter("echo 2 > file")
      expect(await changes(snapshot)).toEqual(["M /workspace/file"])
      expect(server.machines().length).toBeGreaterThan(1)
      // The layers of the two snapshots, the head, and the one that is ready to follow it.
      await eventually("the viewers to end", idleMs, () =>
        server.machines().length === 1 && layerFiles().length === 4 ? true : undefined,
      )
    },
    idleMs * 2,
  )

  test("when the server ends, in order or not", async () => {
    const snapshot = await snapshotAfter("echo 1 > file")
    await snapshotAfter("echo 2 > file")
    expect(await changes(snapshot)).toEqual(["M /workspace/file"])
    const files = layerFiles()
    await server.kill()
    expect(server.machines().length).toBeGreaterThan(1)
    await server.restart()
    sandbox = server.sandbox(sandbox.name)
    expect(server.machines()).toHaveLength(1)
    expect(layerFiles().length).toBeLessThan(files.length)
    expect(await changes(snapshot)).toEqual(["M /workspace/file"])
    await server.stop()
    expect(server.machines()).toEqual([])
    await server.restart()
    sandbox = server.sandbox(sandbox.name)
    expect(await changes(snapshot)).toEqual(["M /workspace/file"])
  })
})
