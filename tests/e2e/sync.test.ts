import { afterAll, beforeAll, expect, test } from "vitest"
import { eventually } from "../support/eventually.js"
import { succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { raw } from "../support/wire.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
}, serverStartMs)

afterAll(() => server.dispose())

const python = (...lines: string[]) => `python3 - <<'END'\n${lines.join("\n")}\nEND`

/** A process in the background that stores into a page which it has mapped, once for each `poke`. */
const mapper = python(
  "import mmap, os, sys, time",
  "if os.fork(): sys.exit()",
  "os.setsid()",
  "null = os.open('/dev/null', os.O_RDWR)",
  "for stream in range(3): os.dup2(null, stream)",
  "page = mmap.mmap(os.open('mapped', os.O_RDWR), 4096)",
  "while True:",
  "    while not os.path.exists('/dev/shm/poke'): time.sleep(0.005)",
  "    page[0] += 1",
  "    os.unlink('/dev/shm/poke')",
)
const poke = "touch /dev/shm/poke; while [ -e /dev/shm/poke ]; do sleep 0.01; done"

/** Each is made while nothing is dirty, since the look at the one before was synced too: it alone must make the sync act. */
const changes = [
  { change: "echo one > file", look: "cat file" },
  { change: "echo two >> file", look: "cat file" },
  { change: "echo six > file", look: "cat file" },
  { change: "truncate -s 1 file", look: "stat -c %s file" },
  { change: "chmod 604 file", look: "stat -c %a file" },
  { change: "chown 7:8 file", look: "stat -c %u:%g file" },
  { change: "touch -d @1000 file", look: "stat -c %Y file" },
  {
    change: "python3 -c \"import os; os.setxattr('file', 'user.note', b'x')\"",
    look: listAttributes("file"),
  },
  { change: "mkdir -p directory/inner", look: "ls -R" },
  { change: "mv directory elsewhere", look: "ls -R" },
  { change: "ln -s file symbolic; ln file hard; mkfifo pipe", look: "ls -l --time-style=+" },
  { change: "rm hard pipe", look: "ls" },
  { change: "rm /etc/issue.net", look: "ls /etc" },
  { change: "touch -d @1000 /etc/passwd", look: "stat -c %Y /etc/passwd" },
  {
    change: python(
      "import mmap, os",
      "file = os.open('mapped', os.O_RDWR | os.O_CREAT)",
      "os.ftruncate(file, 4096)",
      "mmap.mmap(file, 4096)[0] = 65",
    ),
    look: "head -c 1 mapped",
  },
  { change: mapper, look: "head -c 1 mapped" },
  { change: poke, look: "head -c 1 mapped" },
  { change: poke, look: "head -c 1 mapped" },
  {
    change: "dd if=/dev/zero of=direct bs=4096 count=2 oflag=direct status=none",
    look: "stat -c %s direct",
  },
  {
    change: "tr '\\0' x < /dev/zero | dd of=direct bs=4096 count=1 iflag=fullblock oflag=direct conv=notrunc",
    look: "md5sum direct",
  },
  { change: "fallocate -l 9999 allocated", look: "stat -c %s allocated" },
]

function listAttributes(path: string): string {
  return `python3 -c "import os; print(os.listxattr('${path}'))"`
}

test("whatever way a file is changed, the change is in the snapshot", { timeout: 120_000 }, async () => {
  const sandbox = await server.create()
  const seen: { snapshot: string; look: string; output: string }[] = []
  for (const { change, look } of changes) {
    const { snapshot, exitCode, stderr } = succeeded(await sandbox.run(change))
    expect([exitCode, change, stderr]).toEqual([0, change, exitCode === 0 ? stderr : ""])
    seen.push({ snapshot, look, output: succeeded(await sandbox.run(look)).stdout })
  }
  for (const { snapshot, look, output } of seen.reverse()) {
    succeeded(await sandbox.restore(snapshot))
    expect([look, succeeded(await sandbox.run(look)).stdout]).toEqual([look, output])
  }
})

test("a command that changes nothing does not ask the disk, and one that does, does", async () => {
  const { name } = await server.create()
  const syncMs = async (command: string): Promise<number> => {
    const { headers } = await raw(server.url, `/vms/${name}/run`, {
      method: "POST",
      key: server.apiKey,
      body: JSON.stringify({ command }),
    })
    return Number(/sync;dur=([\d.]+)/.exec(headers.get("server-timing") ?? "")?.[1])
  }
  expect(await syncMs("echo one > file")).toBeGreaterThan(0)
  for (const command of ["true", "cat file", "ls -la / /etc", "echo out > /dev/null", "sync"])
    // What a sync itself and the kernel's housekeeping did on the disk is looked after once.
    await eventually(
      `${command} not to ask the disk`,
      20_000,
      async () => (await syncMs(command)) === 0 || undefined,
    )
  expect(await syncMs("echo two > file")).toBeGreaterThan(0)
})
