import { Command, CommanderError } from "commander"
import type { ErrorCode, Failure } from "opensandbox"
import { addCompletion } from "./commands/completion.js"
import { addCp } from "./commands/cp.js"
import { addCreate } from "./commands/create.js"
import { addDiff } from "./commands/diff.js"
import { addDoctor } from "./commands/doctor.js"
import { addExport } from "./commands/export.js"
import { addFork } from "./commands/fork.js"
import { addImport } from "./commands/import.js"
import { addInfo } from "./commands/info.js"
import { addKeys } from "./commands/keys.js"
import { addKill } from "./commands/kill.js"
import { addLifetime } from "./commands/lifetime.js"
import { addLogs } from "./commands/logs.js"
import { addLs } from "./commands/ls.js"
import { addPause } from "./commands/pause.js"
import { addPort } from "./commands/port.js"
import { addPs } from "./commands/ps.js"
import { addRestore } from "./commands/restore.js"
import { addResume } from "./commands/resume.js"
import { addRetention } from "./commands/retention.js"
import { addRm } from "./commands/rm.js"
import { addRmSnapshot } from "./commands/rm-snapshot.js"
import { addRun } from "./commands/run.js"
import { addServe } from "./commands/serve.js"
import { addShell } from "./commands/shell.js"
import { addShow } from "./commands/show.js"
import { addSnapshot } from "./commands/snapshot.js"
import { addSnapshots } from "./commands/snapshots.js"
import { addUndo } from "./commands/undo.js"
import { addWatch } from "./commands/watch.js"
import { addWipe } from "./commands/wipe.js"
import type { Context } from "./context.js"
import { examples } from "./examples.js"
import { exitCodes } from "./exit-codes.js"

/** Runs one command line. Resolves to the exit code; never rejects. */
export async function main(args: readonly string[], outside: Omit<Context, "exitWith">): Promise<number> {
  let exitCode = 0
  const context: Context = {
    ...outside,
    exitWith: (code) => {
      exitCode = code
    },
  }
  try {
    await buildProgram(context).parseAsync(args, { from: "user" })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const usage = error instanceof CommanderError
    const text = error instanceof Error ? error.message : String(error)
    // Commander has printed its own errors already.
    if (!usage) context.stderr(`opensandbox: ${text}\n`)
    if (args.includes("--json")) {
      context.stdout(`${JSON.stringify(failure(usage ? "invalid_request" : "internal", text))}\n`)
    }
    return usage ? exitCodes.usage : exitCodes.failed
  }
}

function failure(code: ErrorCode, error: string): Failure {
  return { success: false, error, code }
}

function buildProgram(context: Context): Command {
  const program = new Command("opensandbox")
    .description("Sandboxes that are real virtual machines, with a snapshot after every command.")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr })
    .showHelpAfterError('("--help" shows how it is used)')
    .addHelpText("after", help)
  addServe(program, context)
  addKeys(program, context)
  addCreate(program, context)
  addLs(program, context)
  addInfo(program, context)
  addRun(program, context)
  addPs(program, context)
  addLogs(program, context)
  addKill(program, context)
  addCp(program, context)
  addShell(program, context)
  addWatch(program, context)
  addSnapshots(program, context)
  addSnapshot(program, context)
  addRmSnapshot(program, context)
  addRestore(program, context)
  addUndo(program, context)
  addDiff(program, context)
  addShow(program, context)
  addFork(program, context)
  addRetention(program, context)
  addPause(program, context)
  addResume(program, context)
  addLifetime(program, context)
  addPort(program, context)
  addExport(program, context)
  addImport(program, context)
  addWipe(program, context)
  addRm(program, context)
  addDoctor(program, context)
  addCompletion(program, context)
  return program
}

const help =
  "\nEnvironment:\n" +
  "  OPENSANDBOX_API_KEY   the key with which to ask the server\n" +
  "  OPENSANDBOX_BASE_URL  the server's address (default: http://localhost:4000)\n" +
  "\nExit codes:\n" +
  `  0 done, ${exitCodes.failed} not done, ${exitCodes.usage} wrong usage; ` +
  `"run" and "shell" pass their command's on, or ${exitCodes.notRun}\n` +
  examples(
    "opensandbox serve",
    "opensandbox create my-box",
    "opensandbox run my-box 'echo hello > greeting'",
    "opensandbox snapshots my-box",
    "opensandbox restore my-box initial",
  )
