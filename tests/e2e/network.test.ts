import type { NetworkPolicy, Sandbox } from "opensandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { HostInANamespace, hostPort, world, worldPort } from "../support/host-in-a-namespace.js"
import { failed, succeeded } from "../support/results.js"
import { serverStartMs, TestServer } from "../support/server.js"

const possible = await HostInANamespace.possible()
if (!possible)
  console.warn("SKIPPED: what sandboxes reach cannot be tried: only root can make network namespaces")

let host: HostInANamespace
let server: TestServer
let names = 0

beforeAll(async () => {
  if (!possible) return
  host = await HostInANamespace.make()
  server = await TestServer.start({
    runBy: host.unprivileged,
    env: { OPENSANDBOX_HOST: host.address },
  })
}, serverStartMs)

afterAll(async () => {
  if (!possible) return
  await server.dispose()
  await host.dispose()
})

async function create(network?: NetworkPolicy): Promise<Sandbox> {
  return succeeded(await server.client().create(`net-${++names}`, { network })).sandbox
}

/** What a command in the guest prints, without a snapshot of it. */
async function output(sandbox: Sandbox, command: string): Promise<string> {
  return succeeded(await sandbox.run(command, { snapshot: false })).stdout
}

function get(sandbox: Sandbox, place: string): Promise<string> {
  return output(sandbox, `curl -s -m 20 http://${place}/ || echo failed`)
}

const reached = (address: string) => `reached ${address} with 0 bytes\n`

/** Prints those of the addresses that send a datagram back. */
const sendingBack = (addresses: readonly string[], port: number) => `python3 - <<'end'
import socket, time
sockets = {}
for address in "${addresses.join(" ")}".split():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0)
    try: s.sendto(b"ping", (address, ${port}))
    except OSError: pass
    sockets[address] = s
end = time.time() + 5
while sockets and time.time() < end:
    time.sleep(0.05)
    for address, s in list(sockets.items()):
        try:
            if s.recv(100) == b"ping": print(address)
            del sockets[address]
        except BlockingIOError: pass
        except OSError: del sockets[address]
end`

describe.skipIf(!possible)("a sandbox without a network", () => {
  test("has no device but its loopback, which works", async () => {
    const sandbox = await create()
    expect(succeeded(await sandbox.info()).vm.network).toBe("none")
    expect(await output(sandbox, "ls /sys/class/net; ip -o -4 addr show up | wc -l")).toBe("lo\n1\n")
    expect(await get(sandbox, `${world.web}:${worldPort}`)).toBe("failed\n")
    succeeded(await sandbox.destroy())
  })
})

describe.skipIf(!possible)("a sandbox with the internet", () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await create("internet")
  }, serverStartMs)
  afterAll(async () => {
    succeeded(await sandbox.destroy())
  })

  test("reaches public addresses, by number and by name, over TCP and UDP", async () => {
    expect(succeeded(await sandbox.info()).vm.network).toBe("internet")
    expect(await get(sandbox, world.web)).toBe(reached(world.web))
    expect(await get(sandbox, "other.example")).toBe(reached(world.otherWeb))
    expect(await output(sandbox, sendingBack([world.web], worldPort))).toBe(`${world.web}\n`)
    expect(await output(sandbox, "getent hosts nothing.example || echo none")).toBe("none\n")
  })

  test("moves megabytes both ways, whole", async () => {
    const size = 20_000_000
    const download = `curl -s -m 100 http://${world.web}/bytes/${size} | tee file | wc -c; sha256sum < file | cut -c 1-16`
    const expected = "yes 0123456789 | head -c 20000000 | sha256sum | cut -c 1-16"
    const [length, hash, wanted] = (await output(sandbox, `${download}; ${expected}`)).split("\n")
    expect([length, hash]).toEqual([String(size), wanted])
    expect(await output(sandbox, `curl -s -m 100 --data-binary @file http://${world.web}/`)).toBe(
      `reached ${world.web} with ${size} bytes\n`,
    )
  })

  test("makes many connections at the same time", async () => {
    const many = `seq 40 | xargs -P 40 -I{} curl -s -m 30 http://${world.web}/ | sort | uniq -c | tr -s ' '`
    expect(await output(sandbox, many)).toBe(` 40 ${reached(world.web)}`)
  })

  test("does not reach the host: its loopback, and all its addresses, public ones as well", async () => {
    for (const address of ["127.0.0.1", "127.9.9.9", "0.0.0.0", host.address, world.host])
      expect([address, await host.reaches(address, hostPort)]).toEqual([address, true])
    // In the guest 127.0.0.1 is its own; the gateway is the only place that could stand for the host's.
    const addresses = [host.address, world.host, "10.0.2.2", "127.0.0.1", "0.0.0.0"]
    for (const address of addresses)
      expect([address, await get(sandbox, `${address}:${hostPort}`)]).toEqual([address, "failed\n"])
    expect(await output(sandbox, sendingBack(addresses, hostPort))).toBe("")
    const sent = await output(
      sandbox,
      "ip route add 127.9.9.9/32 via 10.0.2.2 table local; sysctl -qw net.ipv4.conf.all.route_localnet=1; " +
        `curl -s -m 5 --interface eth0 http://127.9.9.9:${hostPort}/ || echo failed`,
    )
    expect(sent).toMatch(/failed\n$/)
  })

  test("does not reach addresses that are no part of the internet, which the host does", async () => {
    for (const address of world.reserved) {
      expect([address, await host.reaches(address, worldPort)]).toEqual([address, true])
      expect([address, await get(sandbox, `${address}:${worldPort}`)]).toEqual([address, "failed\n"])
    }
    expect(await output(sandbox, sendingBack(world.reserved, worldPort))).toBe("")
  })

  test("is given no name for what is out of reach", async () => {
    for (const name of ["rebind.example", "mine.example"])
      expect([name, await output(sandbox, `getent hosts ${name} || echo none`)]).toEqual([name, "none\n"])
  })

  test("does not reach another sandbox, its ports or its network", async () => {
    const other = await create("internet")
    const { agent_port, ssh_port } = succeeded(await other.info()).vm
    succeeded(await other.run("python3 -m http.server 7777 >/dev/null 2>&1 &", { snapshot: false }))
    expect(
      await output(
        other,
        "curl -s --retry 20 --retry-connrefused -o /dev/null -w '%{http_code}' http://10.0.2.15:7777/",
      ),
    ).toBe("200")
    for (const place of [
      "10.0.2.15:7777",
      `10.0.2.2:${agent_port}`,
      `${world.host}:${agent_port}`,
      `${world.host}:${ssh_port}`,
    ])
      expect([place, await get(sandbox, place)]).toEqual([place, "failed\n"])
    succeeded(await other.destroy())
  })

  test("cannot get past its gateway by lying about where it is", async () => {
    const spoof = [
      "ip addr add 11.22.33.99/32 dev eth0",
      `curl -s -m 3 --interface 11.22.33.99 http://${world.web}/ || echo failed`,
      "ip addr del 11.22.33.99/32 dev eth0",
      "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:77; ip link set eth0 up; ip route add default via 10.0.2.2",
      `curl -s -m 3 http://${world.web}/ || echo failed`,
      "ip link set eth0 down; ip link set eth0 address 02:6f:73:62:00:02; ip link set eth0 up; ip route add default via 10.0.2.2",
    ].join("; ")
    expect(await output(sandbox, spoof)).toBe("failed\nfailed\n")
    expect(await get(sandbox, world.web)).toBe(reached(world.web))
  })
})

describe.skipIf(!possible)("a sandbox with a list", () => {
  test("reaches what is on it, and nothing else", async () => {
    const sandbox = await create({ allow: [`web.example:${worldPort}`] })
    // Nobody has looked the name up yet.
    expect(await get(sandbox, world.web)).toBe("failed\n")
    expect(await get(sandbox, "web.example")).toBe(reached(world.web))
    expect(await get(sandbox, "web.example:8080")).toBe("failed\n")
    expect(await get(sandbox, world.otherWeb)).toBe("failed\n")
    expect(await output(sandbox, "getent hosts other.example || echo none")).toBe("none\n")
    succeeded(await sandbox.destroy())
  })

  test("of addresses and ranges goes by these", async () => {
    const sandbox = await create({ allow: [`${world.web}/31:${worldPort}`] })
    expect(await get(sandbox, world.web)).toBe(reached(world.web))
    expect(await get(sandbox, world.otherWeb)).toBe(reached(world.otherWeb))
    expect(await get(sandbox, `${world.thirdWeb}:${worldPort}`)).toBe("failed\n")
    succeeded(await sandbox.destroy())
  })

  test("does not open what no setting opens, by range or by name", async () => {
    const sandbox = await create({ allow: ["0.0.0.0/0", "rebind.example", "mine.example"] })
    expect(await get(sandbox, world.web)).toBe(reached(world.web))
    for (const place of [
      "10.9.9.9",
      "169.254.169.254",
      `${world.host}:${hostPort}`,
      "rebind.example",
      `mine.example:${hostPort}`,
    ])
      expect([place, await get(sandbox, place)]).toEqual([place, "failed\n"])
    succeeded(await sandbox.destroy())
  })

  test.each(["127.0.0.1", "10.0.0.0/8:80", "169.254.169.254", "not a host", "web.example:99999"])(
    "cannot have %j on it",
    async (entry) => {
      expect(failed(await server.client().create("refused", { network: { allow: [entry] } }))).toMatchObject({
        code: "invalid_request",
      })
    },
  )
})

test.skipIf(!possible)("forks, restores and imports keep the network", async () => {
  const policy = { allow: [world.web] }
  const sandbox = await create(policy)
  const { snapshot } = succeeded(await sandbox.run("echo there > file"))
  const { sandbox: fork } = succeeded(await sandbox.fork("net-fork"))
  const exported = succeeded(await sandbox.export({ image: false }))
  const { sandbox: imported } = succeeded(await server.client().import("net-import", exported.archive))
  succeeded(await sandbox.restore(snapshot))
  for (const each of [sandbox, fork, imported]) {
    expect(succeeded(await each.info()).vm.network).toEqual(policy)
    expect(await get(each, world.web)).toBe(reached(world.web))
    expect(await get(each, world.otherWeb)).toBe("failed\n")
    succeeded(await each.destroy())
  }
})

test.skipIf(!possible)(
  "a machine that outlives its server has its network again with the next one",
  async () => {
    const { name } = await create("internet")
    succeeded(await server.sandbox(name).run("sleep 1000 >/dev/null 2>&1 &", { snapshot: false }))
    await server.kill()
    await server.restart()
    const sandbox = server.sandbox(name)
    expect(await output(sandbox, "pgrep -xc sleep")).toBe("1\n")
    expect(await get(sandbox, world.web)).toBe(reached(world.web))
    expect(await get(sandbox, "10.9.9.9")).toBe("failed\n")
    succeeded(await sandbox.destroy())
  },
)
