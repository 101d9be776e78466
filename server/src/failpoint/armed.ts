import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { failpoints, type Failpoint } from "./names.js"

// Only tests have this module in the place of `none.js`: package.json's `imports` gives it to a Node that was started
// with --conditions=failpoints, and a published package does not contain it. No variable and no request switches it on.

/** What happens at the step: the process is killed at once, or the data directory's file system gets full. */
const actions = { kill, fill }

/** The step that OPENSANDBOX_FAILPOINT names, as `step[:nth][:action]`: by default `step:1:kill`. */
const armed = parse(process.env["OPENSANDBOX_FAILPOINT"] ?? "")

let passed = 0

/** Does what OPENSANDBOX_FAILPOINT asks for when its step is done for the nth time. */
export const failpoint: (step: Failpoint) => void = (step) => {
  if (step !== armed?.step || ++passed !== armed.nth) return
  armed.act(() => writeSync(process.stderr.fd, `${JSON.stringify({ failpoint: step })}\n`))
}

function parse(text: string): { step: Failpoint; nth: number; act: (tell: () => void) => void } | undefined {
  if (text === "") return undefined
  const [, name, nth = "1", action = "kill"] = /^([a-z.-]+)(?::(\d+))?(?::(kill|fill))?$/.exec(text) ?? []
  const step = failpoints.find((known) => known === name)
  if (step === undefined) throw new Error(`OPENSANDBOX_FAILPOINT names no step: ${text}`)
  return { step, nth: Number(nth), act: actions[action as keyof typeof actions] }
}

function kill(tell: () => void): void {
  tell()
  process.kill(process.pid, "SIGKILL")
}

/** Fills the file system to the last byte, with the file `ballast` in OPENSANDBOX_DATA_DIR. */
function fill(tell: () => void): void {
  const file = openSync(join(process.env["OPENSANDBOX_DATA_DIR"] ?? "", "ballast"), "w", 0o600)
  for (let bytes = 1024 * 1024; bytes >= 1;) {
    try {
      writeSync(file, Buffer.alloc(bytes, 1))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
      bytes = Math.floor(bytes / 2)
    }
  }
  closeSync(file)
  tell()
}
