import { Sandbox } from "opensandbox"
import { beforeAll, describe, expect, test } from "vitest"
import { anyNumber, anyString, matching } from "../support/matchers.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"
import { workspaceHash } from "../support/workspace.js"

let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  return () => server.dispose()
}, serverStartMs)

describe("the SDK's promises on a real machine", () => {
  test("a sandbox lives from create() to destroy()", async () => {
    const client = server.client()
    const { sandbox } = succeeded(await client.create("my-app"))
    expect(sandbox).toBeInstanceOf(Sandbox)
    expect(sandbox.name).toBe("my-app")
    const { vms } = succeeded(await client.list())
    expect(vms).toEqual([
      {
        id: anyNumber,
        name: "my-app",
        status: "running",
        agent_port: anyNumber,
        ssh_port: anyNumber,
        agentHealthy: true,
        accelerator: matching(/^(kvm|tcg)$/),
        network: "none",
        snapshots: "disk",
        cpus: 1,
        memory_mb: 512,
        disk_gb: 10,
        idle_timeout: null,
        expires_at: null,
        degraded: null,
        created_at: anyString,
      },
    ])
    const { vm } = succeeded(await sandbox.info())
    expect(vm).toEqual(vms[0])
    expect(vm.agent_port).not.toBe(vm.ssh_port)
    for (const port of [vm.agent_port, vm.ssh_port]) {
      expect(port).toBeGreaterThan(0)
      expect(port).toBeLessThan(65_536)
    }
    expect(new Date(vm.created_at).toISOString()).toBe(vm.created_at)
    expect(Math.abs(Date.now() - Date.parse(vm.created_at))).toBeLessThan(60_000)

    expect(succeeded(await client.sandbox("my-app").run("echo hello world")).stdout).toBe("hello world\n")
    expect(succeeded(await sandbox.destroy()).message).not.toBe("")
    expect(succeeded(await client.list()).vms).toEqual([])
    expect(failed(await sandbox.info()).code).toBe("not_found")
    expect(failed(await sandbox.snapshots()).code).toBe("not_found")
    expect(failed(await sandbox.run("true")).code).toBe("not_found")

    const again = succeeded(await client.create("my-app")).sandbox
    expect(succeeded(await again.run("ls -A")).stdout).toBe("")
    expect(succeeded(await again.snapshots()).snapshots).toHaveLength(2)
    expect(succeeded(await again.destroy()).message).not.toBe("")
  })

  test("run() gives both streams, the exit code and a snapshot's name", async () => {
    const sandbox = await server.create()
    const before = Date.now()
    const result = succeeded(await sandbox.run("echo out; echo err >&2"))
    const after = Date.now()
    expect(result).toEqual({
      success: true,
      stdout: "out\n",
      stderr: "err\n",
      exitCode: 0,
      snapshot: matching(/^cmd_\d{13}$/),
      stdoutTruncated: false,
      stderrTruncated: false,
    })
    const time = Number(result.snapshot.slice("cmd_".length))
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after)
    const seven = succeeded(await sandbox.run("exit 7"))
    expect(seven.exitCode).toBe(7)
    expect(seven.snapshot > result.snapshot).toBe(true)
    expect(succeeded(await sandbox.run("kill -TERM $$")).exitCode).toBe(128 + 15)
    expect(succeeded(await sandbox.run("no-such-command-anywhere")).exitCode).toBe(127)
    expect(succeeded(await sandbox.snapshots()).snapshots).toHaveLength(5)
  })

  test("snapshots() lists them by creation time, with the commands", async () => {
    const sandbox = await server.create()
    const first = succeeded(await sandbox.run("touch a"))
    const second = succeeded(await sandbox.run("false"))
    const { snapshots } = succeeded(await sandbox.snapshots())
    const common = {
      id: anyNumber,
      vm_name: sandbox.name,
      label: null,
      kind: "disk",
      bytes: anyNumber,
      damaged: false,
      degraded: false,
      created_at: anyString,
    }
    const ran = { ...common, duration_ms: anyNumber }
    expect(snapshots).toEqual([
      {
        ...common,
        snapshot_name: "initial",
        parent: null,
        command: null,
        exit_code: null,
        duration_ms: null,
      },
      { ...ran, snapshot_name: first.snapshot, parent: "initial", command: "touch a", exit_code: 0 },
      { ...ran, snapshot_name: second.snapshot, parent: first.snapshot, command: "false", exit_code: 1 },
    ])
    expect(snapshots.map(({ bytes }) => bytes > 0)).toEqual([false, true, false])
    expect(new Set(snapshots.map(({ id }) => id)).size).toBe(3)
    const times = snapshots.map(({ created_at }) => created_at)
    expect(times.map((time) => new Date(time).toISOString())).toEqual(times)
    expect(times.toSorted()).toEqual(times)
  })

  test("restore() brings the bytes back and deletes the later snapshots", async () => {
    const sandbox = await server.create()
    const made = succeeded(
      await sandbox.run(
        "mkdir -p d/e && head -c 300000 /dev/urandom > d/e/random && ln -s d/e/random link && " +
          "printf 'x\\0y' > 'a name with spaces' && chmod 4750 d/e/random && chown 1000:100 d",
      ),
    )
    expect(made).toMatchObject({ exitCode: 0, stderr: "" })
    const hash = await workspaceHash(sandbox)
    succeeded(
      await sandbox.run("rm -rf d && echo other > link && touch new && apt-get --version > /root/elsewhere"),
    )
    expect(await workspaceHash(sandbox)).not.toBe(hash)

    expect(succeeded(await sandbox.restore(made.snapshot)).message).not.toBe("")
    const names = succeeded(await sandbox.snapshots()).snapshots.map((each) => each.snapshot_name)
    expect(names).toEqual(["initial", made.snapshot])
    expect(await workspaceHash(sandbox)).toBe(hash)
    expect(succeeded(await sandbox.run("test -e /root/elsewhere")).exitCode).toBe(1)

    // Twice to the same one, and to the beginning.
    succeeded(await sandbox.run("rm -rf ./*"))
    succeeded(await sandbox.restore(made.snapshot))
    expect(await workspaceHash(sandbox)).toBe(hash)
    succeeded(await sandbox.restore("initial"))
    const left = succeeded(await sandbox.snapshots()).snapshots.map((each) => each.snapshot_name)
    expect(left).toEqual(["initial"])
    expect(succeeded(await sandbox.run("ls -A")).stdout).toBe("")
    expect(failed(await sandbox.restore(made.snapshot)).code).toBe("not_found")
  })

  test("what a command wrote outside the workspace comes back too", async () => {
    const sandbox = await server.create()
    const { snapshot } = succeeded(
      await sandbox.run("echo mine > /etc/motd && rm /usr/bin/jq && mkdir /opt/tool"),
    )
    succeeded(await sandbox.run("rm -rf /etc/motd /opt/tool && cp /bin/true /usr/bin/jq"))
    succeeded(await sandbox.restore(snapshot))
    const { stdout } = succeeded(
      await sandbox.run("cat /etc/motd; ls -d /opt/tool; command -v jq || echo no jq"),
    )
    expect(stdout).toBe("mine\n/opt/tool\nno jq\n")
  })

  test("wipe() empties the workspace and takes no snapshot", async () => {
    const sandbox = await server.create()
    const { snapshot } = succeeded(
      await sandbox.run("mkdir -p .hidden/d && touch a .b .hidden/d/c /root/keep"),
    )
    expect(succeeded(await sandbox.wipe()).message).not.toBe("")
    expect(succeeded(await sandbox.snapshots()).snapshots.at(-1)?.snapshot_name).toBe(snapshot)
    expect(succeeded(await sandbox.run("pwd; ls -A; ls /root/keep")).stdout).toBe("/workspace\n/root/keep\n")
    succeeded(await sandbox.restore(snapshot))
    expect(succeeded(await sandbox.run("find . -mindepth 1 | sort | tr '\\n' ' '")).stdout).toBe(
      "./.b ./.hidden ./.hidden/d ./.hidden/d/c ./a ",
    )
  })
})

describe("the guest", () => {
  test("is a machine of its own: root, bash, its name, no network, the right time", async () => {
    const sandbox = await server.create()
    const run = async (command: string) => succeeded(await sandbox.run(command)).stdout.trim()
    expect(await run("pwd")).toBe("/workspace")
    expect(await run("id -un; id -u; echo $HOME $USER $SHELL $LANG $(printenv TERM || echo unset)")).toBe(
      "root\n0\n/root root /bin/bash C.UTF-8 unset",
    )
    expect(await run("readlink /proc/$$/exe; true")).toMatch(/^\/(usr\/)?bin\/bash$/)
    expect(await run("hostname; cat /proc/sys/kernel/hostname")).toBe(`${sandbox.name}\n${sandbox.name}`)
    expect(await run("ls /sys/class/net")).toBe("lo")
    expect(await run("stat -f -c %T / ; findmnt -n -o FSTYPE / || true")).toContain("overlay")
    const before = Date.now()
    const guest = Number(await run("date +%s%3N"))
    expect(guest).toBeGreaterThan(before - 5_000)
    expect(guest).toBeLessThan(Date.now() + 5_000)
  })

  test("has the programs that an agent expects", async () => {
    const sandbox = await server.create()
    const programs = "bash git curl python3 node npm jq rg ps ip sudo"
    const { stdout, exitCode } = succeeded(
      await sandbox.run(
        `for p in ${programs}; do command -v $p > /dev/null || echo "no $p"; done; test -s /etc/ssl/certs/ca-certificates.crt && ` +
          `python3 -c 'print(6 * 7)' && node -p 6*7 && sudo -n true && git init -q repo && git -C repo status > /dev/null`,
        120,
      ),
    )
    expect({ stdout, exitCode }).toEqual({ stdout: "42\n42\n", exitCode: 0 })
  })

  test("shares no identity and no randomness with another one", async () => {
    const boxes = await Promise.all([server.create(), server.create()])
    const ask =
      "cat /etc/machine-id; head -c 32 /dev/urandom | base64 -w0; echo; cat /proc/sys/kernel/random/uuid; " +
      "cat /proc/sys/kernel/random/boot_id; python3 -c 'import random; print(random.random())'; echo $RANDOM-$RANDOM-$RANDOM"
    const [one = [], other = []] = await Promise.all(
      boxes.map(async (box) =>
        succeeded(await box.run(ask))
          .stdout.trim()
          .split("\n"),
      ),
    )
    expect(one).toHaveLength(6)
    expect(one[0]).toMatch(/^[0-9a-f]{32}$/)
    for (const [line, value] of one.entries()) expect(value).not.toBe(other[line])
    const [machineId] = one
    succeeded(await boxes[0].restore("initial"))
    const again = succeeded(await boxes[0].run(ask))
      .stdout.trim()
      .split("\n")
    expect(again[0]).toBe(machineId)
    expect(again[1]).not.toBe(one[1])
    expect(again[2]).not.toBe(one[2])
  })
})
