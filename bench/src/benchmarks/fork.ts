import type { Client, Sandbox } from "opensandbox"
import type { Benchmark } from "../benchmark.js"
import { expectSuccess } from "../expect-success.js"
import { median, type Measurement } from "../measurement.js"
import { repeat } from "../repetition.js"

const mebibyte = 1024 ** 2
const little = 10
const much = 2048

/** Seconds: writing the data under software emulation takes minutes. */
const writeTimeout = 1200

interface Forked {
  /** From the call to its answer, in milliseconds. */
  readonly answered: number
  /** From the call until the fork's first command has ended, in milliseconds. */
  readonly used: number
}

export const fork: Benchmark = {
  title: "a fork of little and of much data",
  measure: async ({ client }) => {
    const withLittle = await sandboxWith(client, little)
    const withMuch = await sandboxWith(client, much)
    // In turns, so that a noisy minute of the host falls on both.
    const pairs = await repeat({ warmUp: 1, count: 10 }, async () => ({
      little: await forkOnce(withLittle, little),
      much: await forkOnce(withMuch, much),
    }))
    expectSuccess(await withLittle.destroy())
    expectSuccess(await withMuch.destroy())
    const [ofLittle, ofMuch] = [pairs.map((pair) => pair.little), pairs.map((pair) => pair.much)]
    return [
      ...measurements("fork()", ofLittle, ofMuch, ({ answered }) => answered),
      ...measurements("fork() and its first command", ofLittle, ofMuch, ({ used }) => used),
    ]
  },
}

async function sandboxWith(client: Client, mebibytes: number): Promise<Sandbox> {
  const { sandbox } = expectSuccess(await client.create(`fork-${mebibytes}`))
  const write = await sandbox.run(`head -c ${mebibytes * mebibyte} /dev/urandom > data`, {
    timeout: writeTimeout,
  })
  if (expectSuccess(write).exitCode !== 0) throw new Error(`the data could not be written: ${write.stderr}`)
  return sandbox
}

async function forkOnce(original: Sandbox, mebibytes: number): Promise<Forked> {
  const start = performance.now()
  const { sandbox } = expectSuccess(await original.fork("forked"))
  const answered = performance.now() - start
  const { stdout } = expectSuccess(await sandbox.run("stat --format %s data"))
  const used = performance.now() - start
  if (Number(stdout) !== mebibytes * mebibyte) throw new Error(`the fork has ${stdout.trim()} bytes of data`)
  expectSuccess(await sandbox.destroy())
  return { answered, used }
}

function measurements(
  what: string,
  ofLittle: Forked[],
  ofMuch: Forked[],
  part: (forked: Forked) => number,
): Measurement[] {
  const [short, long] = [ofLittle.map(part), ofMuch.map(part)]
  return [
    { what: `${what}, with ${little} MiB of data`, unit: "ms", values: short },
    { what: `${what}, with ${much / 1024} GiB of data`, unit: "ms", values: long },
    {
      what: "- its median against that of the former",
      unit: "x",
      values: [median(long) / median(short)],
      target: 1.3,
    },
  ]
}
