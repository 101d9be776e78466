import { Client } from "opensandbox"
import { realHostProbe } from "./doctor/real-host-probe.js"
import { main } from "./main.js"

// A reader that has seen enough, as in "opensandbox ls | head -1", is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
})

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  readStdin: async () => {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  },
  connect: () => new Client(),
  loadServer: () => import("@opensandbox/server"),
  probeHost: realHostProbe,
  onStopSignal: (listener) => {
    process.on("SIGINT", listener)
    process.on("SIGTERM", listener)
  },
  exitNow: (code) => process.exit(code),
})
