import { Client } from "opensandbox"
import type { Context } from "../context.js"
import type { HostProbe } from "../doctor/host-probe.js"
import { main } from "../main.js"

/** A host on which every check passes. */
export const healthyHost: HostProbe = {
  nodeVersion: () => "v20.19.0",
  outputOf: (program, args) =>
    Promise.resolve(args[0] === "-L" ? "/usr/share/qemu\n" : `${program} version 7.2.22`),
  isReadable: () => Promise.resolve(true),
  kvmDevice: () => Promise.resolve("opens"),
  currentImage: () => Promise.resolve("/cache/images/abc"),
  accelerator: () => Promise.resolve({ accelerator: "kvm", reason: "" }),
  freeBytes: () => Promise.resolve(100 * 1024 ** 3),
  listenError: () => Promise.resolve(undefined),
  serverAnswers: () => Promise.resolve(false),
  availableMemory: () => 8 * 1024 ** 3,
}

/** Runs one command line in a world that the test makes, and gives what it printed and exits with. */
export async function runCli(args: readonly string[], world: Partial<Context> = {}) {
  let stdout = ""
  let stderr = ""
  const exitCode = await main(args, {
    stdout: (text) => {
      stdout += text
    },
    stderr: (text) => {
      stderr += text
    },
    stdoutBytes: (chunk) => {
      stdout += Buffer.from(chunk).toString()
      return Promise.resolve()
    },
    stderrBytes: (chunk) => {
      stderr += Buffer.from(chunk).toString()
      return Promise.resolve()
    },
    stdin: () => new Blob([]).stream(),
    isTerminal: { stdin: false, stdout: false, stderr: false },
    terminal: {
      size: () => ({ cols: 80, rows: 24 }),
      onResize: () => () => undefined,
      takeKeys: () => () => undefined,
    },
    connect: () => new Client("ws_k", "http://127.0.0.1:1"),
    loadServer: () => Promise.reject(new Error("no server in this test")),
    probeHost: healthyHost,
    now: () => 0,
    onStopSignal: () => undefined,
    exitNow: () => undefined,
    ...world,
  })
  return { exitCode, stdout, stderr }
}
