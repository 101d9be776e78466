import { createHash, randomBytes } from "node:crypto"
import { request } from "node:http"
import type { Sandbox } from "opensandbox"
import { beforeAll, describe, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const mebibyte = 1024 * 1024

/** How long anything that has to happen soon may take on a busy machine. */
const soonMs = 30_000

/** How long hundreds of megabytes may take in software emulation on a busy machine, in milliseconds. */
const largeMs = 600_000

let server: TestServer
let sandbox: Sandbox

beforeAll(async () => {
  server = await TestServer.start()
  sandbox = await server.create()
  return () => server.dispose()
}, serverStartMs)

/** What a command prints that takes no snapshot. */
async function output(command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false, timeout: 300 })).stdout
}

async function newestSnapshot(): Promise<string | undefined> {
  return succeeded(await sandbox.snapshots()).snapshots.at(-1)?.snapshot_name
}

describe("a file", () => {
  test("comes back as it was written: text, any bytes, nothing at all", async () => {
    const { files } = sandbox
    succeeded(await files.write("round/trip.txt", "grün\n€ 𝄞\0\ufeff"))
    expect(succeeded(await files.read("round/trip.txt")).content).toBe("grün\n€ 𝄞\0\ufeff")
    const bytes = new Uint8Array(randomBytes(300_000))
    succeeded(await files.write("/workspace/round/bytes", bytes))
    expect(succeeded(await files.read("round/bytes", { encoding: "bytes" })).content).toEqual(bytes)
    const part = await files.read("round/bytes", { encoding: "bytes", offset: 299_990, length: 100 })
    expect(succeeded(part).content).toEqual(bytes.slice(299_990))
    succeeded(await files.write("round/empty", ""))
    expect(succeeded(await files.read("round/empty")).content).toBe("")
    expect(await output("cat round/trip.txt; sha256sum < round/bytes")).toBe(
      `grün\n€ 𝄞\0\ufeff${createHash("sha256").update(bytes).digest("hex")}  -\n`,
    )
  })

  test("is replaced at once, and keeps its mode and owner", async () => {
    const { files } = sandbox
    succeeded(await files.write("kept", "1", { mode: "751", owner: "12:34" }))
    const ino = await output("stat -c %i kept")
    succeeded(await files.write("kept", "22"))
    expect(await output("stat -c '%a %u %g %s' kept")).toBe("751 12 34 2\n")
    expect(await output("stat -c %i kept")).not.toBe(ino)
    succeeded(await files.append("kept", "333"))
    expect(await output("cat kept; stat -c ' %a %u' kept")).toBe("22333 751 12\n")
    succeeded(await files.setAttributes("kept", { mode: "4700", owner: "root:root" }))
    expect(await output("stat -c '%a %U %G' kept")).toBe("4700 root root\n")
    succeeded(await files.write("link-target", "old"))
    await output("ln -s link-target link")
    succeeded(await files.write("link", "new"))
    expect(await output("readlink link; cat link-target")).toBe("link-target\nnew")
  })

  test("of the kernel is read, and everything is said that is no file", async () => {
    const { files } = sandbox
    expect(succeeded(await files.read("/proc/version")).content).toMatch(/^Linux /)
    for (const path of ["/dev/null", "/etc", "."]) {
      expect(failed(await files.read(path)), path).toMatchObject({ code: "invalid_request", field: "path" })
      expect(failed(await files.write(path, "x")).code, path).toBe("invalid_request")
    }
    expect(failed(await files.read("none"))).toMatchObject({
      code: "not_found",
      error: '"none" does not exist.',
      field: "path",
    })
    expect(failed(await files.write("x", "", { owner: "nobody-at-all" }))).toMatchObject({
      code: "invalid_request",
      field: "owner",
    })
    expect(succeeded(await files.exists("x")).exists).toBe(false)
    expect(succeeded(await files.exists("/etc")).exists).toBe(true)
    expect(failed(await server.sandbox("no-such-box").files.exists("x")).code).toBe("not_found")
  })
})

describe("directories", () => {
  test("are made, listed, renamed, copied and removed", async () => {
    const { files } = sandbox
    succeeded(await files.mkdir("tree/deep/er", { mode: "700" }))
    expect(failed(await files.mkdir("tree"))).toMatchObject({ code: "already_exists" })
    succeeded(await files.write("tree/deep/file", "12345"))
    await output(
      "ln -s nowhere tree/link; touch -d 2020-01-02T03:04:05Z tree/deep/file; touch $'tree/caf\\xe9 '",
    )
    const listed = succeeded(await files.list("tree", { depth: Infinity }))
    expect(listed.truncated).toBe(false)
    expect(listed.files.map(({ path, type }) => [path, type])).toEqual([
      ["tree/caf\uefe9 ", "file"],
      ["tree/deep", "directory"],
      ["tree/deep/er", "directory"],
      ["tree/deep/file", "file"],
      ["tree/link", "symlink"],
    ])
    expect(listed.files[3]).toEqual({
      path: "tree/deep/file",
      name: "file",
      type: "file",
      size: 5,
      mode: "644",
      uid: 0,
      gid: 0,
      modified_at: "2020-01-02T03:04:05.000Z",
      target: null,
    })
    expect(listed.files[4]).toMatchObject({ target: "nowhere" })
    expect(succeeded(await files.read(listed.files[0]?.path ?? "")).content).toBe("")
    expect(succeeded(await files.list("tree")).files).toHaveLength(3)

    succeeded(await files.copy("tree", "copies/one"))
    expect(failed(await files.copy("tree/deep/file", "tree/link"))).toMatchObject({ code: "already_exists" })
    expect(
      await output("diff -r --no-dereference tree copies/one && stat -c '%a %y' copies/one/deep/{er,file}"),
    ).toMatch(/^700 .*\n644 2020-01-02/)
    succeeded(await files.rename("copies/one", "copies/two"))
    expect(failed(await files.rename("copies/two", "tree"))).toMatchObject({
      code: "already_exists",
      field: "to",
    })
    expect(failed(await files.rename("none", "other"))).toMatchObject({ code: "not_found", field: "from" })
    expect(failed(await files.remove("copies/two"))).toMatchObject({ code: "invalid_request" })
    succeeded(await files.remove("copies/two/link"))
    succeeded(await files.remove("copies", { recursive: true }))
    expect(succeeded(await files.exists("copies")).exists).toBe(false)
    expect(failed(await files.remove("copies", { recursive: true })).code).toBe("not_found")
  })

  test("of which there is more than a list holds are cut off", { timeout: largeMs }, async () => {
    await output("mkdir many; cd many; seq -f f%05.0f 10050 | xargs touch")
    const { files, truncated } = succeeded(await sandbox.files.list("many"))
    expect([files.length, files.at(-1)?.name, truncated]).toEqual([10_000, "f10000", true])
    succeeded(await sandbox.files.remove("many", { recursive: true, snapshot: false }))
  })

  test("are made again when a command removed the workspace", async () => {
    await output("cd /; mv /workspace /elsewhere")
    succeeded(await sandbox.files.write("a", "b"))
    expect(await output("cat /workspace/a; rm -r /workspace; mv /elsewhere /workspace")).toBe("b")
  })
})

describe("a change", () => {
  test("takes a snapshot to come back to, unless told not to", async () => {
    const { files } = sandbox
    const { snapshot: first } = succeeded(await files.write("history", "first"))
    expect(first).toMatch(/^file_\d+$/)
    expect(await newestSnapshot()).toBe(first)
    expect(succeeded(await files.write("history", "second", { snapshot: false })).snapshot).toBeNull()
    expect(await newestSnapshot()).toBe(first)
    const { snapshot: third } = succeeded(await files.remove("history"))
    expect(await newestSnapshot()).toBe(third)
    const { snapshots } = succeeded(await sandbox.snapshots())
    expect(snapshots.at(-1)).toMatchObject({ command: null, exit_code: null, kind: "disk" })
    succeeded(await sandbox.restore(first ?? ""))
    expect(succeeded(await files.read("history")).content).toBe("first")
  })

  test("is none when it is refused, and neither is a look", async () => {
    const before = await newestSnapshot()
    failed(await sandbox.files.remove("none"))
    succeeded(await sandbox.files.list())
    succeeded(await sandbox.files.read("history"))
    expect(await newestSnapshot()).toBe(before)
  })

  test("beside others is complete, each with a snapshot of its own", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `beside/${index}`)
    const written = await Promise.all(names.map((name) => sandbox.files.write(name, name)))
    expect(new Set(written.map((result) => succeeded(result).snapshot)).size).toBe(names.length)
    expect(await output("cat beside/{0..11}")).toBe(names.join(""))
  })
})

test(
  "who reads a file while it is replaced sees one content or the other",
  { timeout: largeMs },
  async () => {
    const contents = ["a", "b"].map((letter) => letter.repeat(mebibyte))
    succeeded(await sandbox.files.write("swapped", contents[0] ?? "", { snapshot: false }))
    const reader = [
      "import os",
      "seen = set()",
      'open("reading", "w")',
      'while not os.path.exists("enough"):',
      '  content = open("swapped", "rb").read()',
      "  seen.add((len(content), bytes(set(content)).decode()))",
      "print(sorted(seen))",
    ].join("\n")
    const read = sandbox.run(`python3 -c '${reader}'`, { snapshot: false, timeout: 300 })
    await eventually("the reader", soonMs, async () =>
      succeeded(await sandbox.files.exists("reading")).exists ? true : undefined,
    )
    for (let round = 1; round <= 20; round++)
      succeeded(await sandbox.files.write("swapped", contents[round % 2] ?? "", { snapshot: false }))
    succeeded(await sandbox.files.write("enough", "", { snapshot: false }))
    expect(succeeded(await read).stdout).toBe(`[(${mebibyte}, 'a'), (${mebibyte}, 'b')]\n`)
  },
)

test("no path leads out of the guest", async () => {
  const { files } = sandbox
  const above = "../".repeat(20)
  expect(succeeded(await files.read(`${above}etc/hostname`)).content).toBe(`${sandbox.name}\n`)
  for (const path of [server.dataDirectory, above + server.dataDirectory])
    expect(failed(await files.stat(path)).code, path).toBe("not_found")
  await output(`ln -s ${server.dataDirectory} host`)
  expect(failed(await files.list("host")).code).toBe("not_found")
  expect(failed(await files.download("host", "/nowhere/at/all"))).toMatchObject({ code: "not_found" })
})

describe("a write whose client goes away", () => {
  test("leaves the old file and nothing else", async () => {
    succeeded(await sandbox.files.write("whole/file", "old"))
    const before = await newestSnapshot()
    for (const path of ["whole/file", "whole/new/deep/file"]) {
      const url = `${server.url}/vms/${sandbox.name}/files?path=${encodeURIComponent(path)}`
      const upload = request(url, { method: "PUT", headers: { "x-api-key": server.apiKey } })
      upload.on("error", () => undefined)
      upload.write(Buffer.alloc(3 * mebibyte))
      // The guest has begun: it holds a file that has no name.
      await eventually("the draft", soonMs, async () => {
        const held = await output("ls -l /proc/1/fd | grep -c '/workspace/whole.*(deleted)'; true")
        return held === "0\n" ? undefined : held
      })
      upload.destroy()
      await eventually("the draft to go", soonMs, async () => {
        const held = await output(
          "ls -l /proc/1/fd | grep -c /workspace/whole; find whole -name '.*'; ls whole",
        )
        return held === "0\nfile\n" ? held : undefined
      })
    }
    expect(succeeded(await sandbox.files.read("whole/file")).content).toBe("old")
    expect(await newestSnapshot()).toBe(before)
  })

  test("is a failure of the SDK when its source fails", async () => {
    let parts = 0
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (parts++ < 10) controller.enqueue(new Uint8Array(100_000))
        else controller.error(new Error("the source is lost"))
      },
    })
    expect(failed(await sandbox.files.write("whole/file", source)).error).toContain("the source is lost")
    expect(succeeded(await sandbox.files.read("whole/file")).content).toBe("old")
  })
})

test("a restore interrupts a write, which changes nothing any more", async () => {
  const { snapshot } = succeeded(await sandbox.files.write("interrupted", "old"))
  let sent = 0
  const endless = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      sent += 65_536
      controller.enqueue(new Uint8Array(65_536))
      await new Promise((resolve) => setImmediate(resolve))
    },
  })
  const writing = sandbox.files.write("interrupted", endless)
  await eventually("the write to begin", soonMs, () => (sent > mebibyte ? true : undefined))
  succeeded(await sandbox.restore(snapshot ?? ""))
  expect(failed(await writing).code).toBe("interrupted")
  expect(succeeded(await sandbox.files.read("interrupted")).content).toBe("old")
})

test("a guest whose disk is full says so, and keeps the old file", { timeout: largeMs }, async () => {
  await output("mkdir -p small; mount -t tmpfs -o size=1m none small; echo old > small/file")
  const full = await sandbox.files.write("small/file", new Uint8Array(3 * mebibyte))
  expect(failed(full)).toMatchObject({
    code: "disk_full",
    error: expect.stringContaining("own disk") as string,
  })
  expect(await output("cat small/file; ls -A small; umount small")).toBe("old\nfile\n")
})
