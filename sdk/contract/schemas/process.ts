import { z } from "zod"
import { environment, shellCommand, userName, workingDirectory } from "./command.js"
import { createdAt, number, queryParameters, requestBody, sandboxName } from "./rules.js"

const sideRule = (field: string) => `"${field}" must be a whole number from 1 to 65535`
const processRule = '"process" must be the number of a process, or its id'
const offsetRule = (field: string) => `"${field}" must be a whole number of bytes`
const streamsRule = '"streams" must be "both", "stdout", "stderr" or "none"'
const flagRule = (field: string) => `"${field}" must be true or false`
const signalRule = '"signal" must be the name of a signal, as in "SIGTERM"'

const signals = [
  ...[
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
  ],
  ...["SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP"],
  ...["SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO"],
  ...["SIGPWR", "SIGSYS"],
] as const

const side = (field: string, what: string) =>
  z
    .int({ error: sideRule(field) })
    .min(1, { error: sideRule(field) })
    .max(65_535, { error: sideRule(field) })
    .describe(what)

const size = { cols: side("cols", "Characters in a line."), rows: side("rows", "Lines.") }

const flag = (field: string, byDefault: "true" | "false") =>
  z
    .enum(["true", "false"], { error: flagRule(field) })
    .default(byDefault)
    .transform((text) => text === "true")

/** What names a process in a path: its number, and where that is its id, when it was started, in Unix milliseconds. */
function processReference(text: string): { pid: number; startedMs?: number } {
  const [pid = "", startedMs] = text.split("-")
  return { pid: Number(pid), ...(startedMs !== undefined && { startedMs: Number(startedMs) }) }
}

/** What no other process of the sandbox is ever called, while its number may be given to another. */
export const processId = (pid: number, startedMs: number) => `${pid}-${startedMs}`

export const processParams = z.object({
  name: sandboxName,
  process: z
    .string({ error: processRule })
    .regex(/^[1-9][0-9]{0,9}(-[0-9]{1,15})?$/, { error: processRule })
    .transform(processReference)
    .describe("The process's number in the guest, whichever process has it now, or its `id`."),
})

export const startRequest = requestBody({
  command: shellCommand,
  cwd: workingDirectory.optional(),
  user: userName.optional(),
  env: environment.optional(),
  pty: requestBody(size, '"pty"')
    .optional()
    .describe("A terminal of this size in the place of the pipes; all output is then standard output."),
}).describe("The process to start.")

export const processInfo = z
  .object({
    id: z
      .string()
      .describe("What it can be called by that no other process ever is, as in `217-1767225600000`."),
    pid: number.describe("Its number in the guest, which may be another's once it has ended."),
    command: z.string().describe("The shell command, of which at most 1024 bytes are shown."),
    running: z.boolean().describe("Whether it runs."),
    exitCode: z
      .int()
      .nullable()
      .describe("Its exit code; null as long as it runs, or when a signal ended it."),
    signal: z
      .string()
      .nullable()
      .describe("The signal that ended it, as in `SIGKILL`; null as long as it runs, or when it exited."),
    started_at: createdAt.describe("When it was started, ISO 8601 in UTC, by the guest's clock."),
  })
  .describe("A process that was started in the background.")

export const processList = z
  .object({
    processes: z
      .array(processInfo)
      .describe("Those that run and the 16 that ended last, in the order of their starts."),
  })
  .describe("Processes of a sandbox.")

const offset = (field: string) =>
  z
    .string({ error: offsetRule(field) })
    .regex(/^[0-9]{1,15}$/, { error: offsetRule(field) })
    .transform(Number)
    .optional()

export const outputHeaders = z.object({
  "last-event-id": offset("last-event-id").describe(
    "The `id` of the last event that was received, to go on after it: before `offset`, where both are there.",
  ),
})

export const outputQuery = queryParameters({
  offset: offset("offset").describe(
    "Where to begin, in bytes of all that the process ever printed: the `id` of the last event that was received, to go " +
      "on after it. Left out: with the oldest output that is kept, of which there is up to 1 MiB.",
  ),
  streams: z
    .enum(["both", "stdout", "stderr", "none"], { error: streamsRule })
    .default("both")
    .describe("Which output is wanted; `none`: only the process's end. Default `both`."),
  follow: flag("follow", "true").describe(
    "Whether what is not printed yet is waited for, until the process ends. Default true.",
  ),
})

export const inputQuery = queryParameters({
  end: flag("end", "false").describe(
    "Whether the process's input is closed once it took all of the body. Default false.",
  ),
})

export const inputAnswer = z
  .object({
    written: z
      .int()
      .nonnegative()
      .describe(
        "How many bytes of the body the process took; fewer than were sent when it read none for seconds.",
      ),
  })
  .describe("What became of input.")

export const signalRequest = requestBody({
  signal: z
    .enum(signals, { error: signalRule })
    .default("SIGTERM")
    .describe(
      "The signal's name. `SIGKILL` ends everything that the process started, another goes to its process group. Default " +
        "`SIGTERM`.",
    ),
})
  .prefault({})
  .describe("The signal to send.")

export const resizeRequest = requestBody(size).describe("The new size of a terminal.")
