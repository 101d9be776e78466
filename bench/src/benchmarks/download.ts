import { join } from "node:path"
import type { Sandbox } from "opensandbox"
import type { Bench, Benchmark } from "../benchmark.js"
import { builtImage } from "../built-image.js"
import { expectSuccess } from "../expect-success.js"
import { LoneMachine } from "../lone-machine.js"
import type { Measurement } from "../measurement.js"
import { RawPort } from "../raw-port.js"
import { elapsed, repeat } from "../repetition.js"

const fileBytes = 200_000_000

/** Kept in the guest's memory once it was written, so that the disk is in none of the numbers. */
const writeFile = `mkdir -p data && head -c ${fileBytes} /dev/urandom > data/file && sync`

const writeSeconds = 300

/** How long each way took in one round, in milliseconds. */
interface Round {
  raw: number
  framed: number
  read: number
  downloaded: number
}

export const download: Benchmark = {
  title: "the throughput of downloads",
  measure: async (bench) => {
    const { sandbox } = expectSuccess(await bench.client.create("download"))
    expectSuccess(await sandbox.run(writeFile, writeSeconds))
    const rounds = await measureRounds(bench, sandbox)
    expectSuccess(await sandbox.destroy())
    return [
      throughput("200 MB by `cat` through a port of the same kind", rounds, "raw"),
      throughput("200 MB in the agent's frames, without HTTP", rounds, "framed"),
      throughput('200 MB by files.read(path, { encoding: "stream" })', rounds, "read"),
      { ...against(rounds, "read"), least: 0.7 },
      throughput("200 MB by files.download(path, directory)", rounds, "downloaded"),
      against(rounds, "downloaded"),
    ]
  },
}

/** The ways follow one another in each round, so that what else goes on at the host meets all of them. */
async function measureRounds({ workplace }: Bench, sandbox: Sandbox): Promise<Round[]> {
  const { vm } = expectSuccess(await sandbox.info())
  const directory = await workplace.directory()
  const image = await builtImage(join(directory, "images"))
  const home = join(directory, "machine")
  const accelerator = vm.accelerator === "kvm" ? "kvm" : "tcg"
  const machine = await LoneMachine.boot(home, image, accelerator, RawPort.device)
  workplace.onClose(() => machine.kill())
  await machine.run(writeFile)
  const port = await RawPort.open(home)
  workplace.onClose(() => {
    port.close()
    return Promise.resolve()
  })
  const rounds = await repeat({ warmUp: 1, count: 5 }, async (round) => ({
    raw: await raw(machine, port),
    framed: await elapsed(async () => drain(await machine.read("data/file"))),
    read: await elapsed(() => read(sandbox)),
    downloaded: await elapsed(async () =>
      expectSuccess(await sandbox.files.download("data", join(directory, `round-${round}`))),
    ),
  }))
  await machine.kill()
  return rounds
}

async function raw(machine: LoneMachine, port: RawPort): Promise<number> {
  const [milliseconds] = await Promise.all([
    port.take(fileBytes),
    machine.run(`cat data/file > "${RawPort.path}"`),
  ])
  return milliseconds
}

async function read(sandbox: Sandbox): Promise<void> {
  const { content } = expectSuccess(await sandbox.files.read("data/file", { encoding: "stream" }))
  await drain(content)
}

async function drain(content: ReadableStream<Uint8Array>): Promise<void> {
  let bytes = 0
  for await (const chunk of content) bytes += chunk.length
  if (bytes !== fileBytes) throw new Error(`${bytes} bytes came of a file of ${fileBytes}`)
}

function throughput(what: string, rounds: readonly Round[], way: keyof Round): Measurement {
  return { what, unit: "MB/s", values: rounds.map((round) => fileBytes / 1000 / round[way]) }
}

function against(rounds: readonly Round[], way: keyof Round): Measurement {
  return {
    what: "- against `cat` in the same round",
    unit: "x",
    values: rounds.map((round) => round.raw / round[way]),
  }
}
