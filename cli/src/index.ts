import { Readable } from "node:stream"
import { isatty } from "node:tty"
import { Client } from "opensandbox"
import { realHostProbe } from "./doctor/real-host-probe.js"
import { exitCodes } from "./exit-codes.js"
import { localTerminal } from "./local-terminal.js"
import { main } from "./main.js"
import { isReaderGone } from "./reader-gone.js"

// Each write learns of its own error; without a listener the first one would end the process as well.
process.stdout.on("error", () => undefined)
process.stderr.on("error", () => undefined)

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => {
    process.stdout.write(text, (error) => {
      if (error == null || isReaderGone(error)) return
      process.stderr.write(`opensandbox: the output is incomplete: ${error.message}\n`)
      process.exit(exitCodes.failed)
    })
  },
  stdoutBytes: (chunk) => writeBytes(process.stdout, chunk),
  stderr: (text) => process.stderr.write(text),
  stderrBytes: (chunk) => writeBytes(process.stderr, chunk),
  stdin: () => Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
  isTerminal: { stdin: isatty(0), stdout: isatty(1), stderr: isatty(2) },
  terminal: localTerminal,
  connect: (options) => new Client(undefined, undefined, options),
  loadServer: () => import("@opensandbox/server"),
  probeHost: realHostProbe,
  now: () => performance.now(),
  onStopSignal: (listener) => {
    process.on("SIGINT", listener)
    process.on("SIGTERM", listener)
  },
  exitNow: (code) => process.exit(code),
})

function writeBytes(stream: NodeJS.WriteStream, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (error == null) resolve()
      else reject(error)
    })
  })
}
