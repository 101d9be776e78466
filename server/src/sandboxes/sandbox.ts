import { setMaxListeners } from "node:events"
import { failpoint } from "#failpoint"
import {
  AgentError,
  DeadlineError,
  within,
  type ExecRequest,
  type ExecResult,
  type Execution,
  type Machine,
  type RewrittenLayer,
} from "@opensandbox/vm"
import { SandboxDirectories } from "../directories/sandbox-directories.js"
import { Failure } from "../failure.js"
import { SandboxFiles, type Activities } from "../files/sandbox-files.js"
import { Lifetime } from "../lifetime/lifetime.js"
import type { SandboxRow } from "../store/tables.js"
import { Capture } from "./capture.js"
import { abandoned, commandEnd, exitCodeOf, killCommand } from "./command.js"
import { History } from "./history.js"
import { MachineKeeper } from "./machine-keeper.js"
import type { SandboxMeans } from "./means.js"
import { SandboxProcesses } from "../processes/sandbox-processes.js"
import { requireSpace } from "../storage/space.js"
import { Reach } from "./reach.js"
import type { Rest } from "./rest.js"
import type {
  RunCaller,
  RunOutcome,
  RunRequest,
  SandboxSession,
  SessionHandlers,
  SessionRequest,
  VMInfo,
} from "./sandbox-service.js"
import { Turns } from "./turns.js"

/** Commands of one sandbox that may run at the same time; the agent has a bound of its own behind it. */
const maxCommands = 64

/** How long an answer to "are you well?" may take. */
const pingMilliseconds = 1_000

/** How long a terminal waits for word that its command runs. */
const beginMilliseconds = 2_000

/** How long wiping may take: longer than the minute after which the agent itself gives up. */
const wipeMilliseconds = 70_000

/**
 * One sandbox. What changes its state happens one after the other, in the order of the calls; commands run beside each
 * other and queue up only to start and to be recorded. A restore or the sandbox's end interrupts those that run.
 */
export class Sandbox {
  readonly row: SandboxRow
  readonly history: History
  /** The way to the servers in it. */
  readonly reach: Reach
  /** What goes on in the background. */
  readonly processes: SandboxProcesses
  readonly files: SandboxFiles
  readonly directories: SandboxDirectories
  /** When it is paused and destroyed by itself. */
  readonly lifetime: Lifetime
  readonly #means: SandboxMeans
  readonly #keeper: MachineKeeper
  readonly #turns = new Turns()
  /** Aborted when commands that have begun can no longer end in a snapshot; a restore begins a new one. */
  #era = newEra()
  #commands = 0

  /**
   * @param newestSnapshotAt When the newest snapshot was taken, in Unix milliseconds.
   * @param machine The sandbox's machine if it runs already.
   * @param rest What that machine's disk holds, if that is known.
   */
  constructor(
    row: SandboxRow,
    means: SandboxMeans,
    newestSnapshotAt: number,
    machine?: Machine,
    rest?: Rest,
  ) {
    this.row = row
    this.#means = means
    this.#keeper = new MachineKeeper(row, means)
    this.lifetime = new Lifetime(row, means, () => this.#pauseWhenIdle())
    this.history = new History(row, means, this.#keeper, this.#turns, newestSnapshotAt, (reason) => {
      this.#interrupt(reason)
    })
    this.reach = new Reach(
      row.name,
      () => this.#enter(),
      () => this.lifetime.begin(),
    )
    this.processes = new SandboxProcesses({
      beside: (activity) => this.#beside(activity),
      present: () => this.#present(),
      awake: (activity) => this.lifetime.during(activity),
    })
    const activities: Activities = {
      look: (activity) => this.#beside(activity, false),
      change: (activity) => this.#beside(activity),
      record: (changed, era, wrote) =>
        this.#turns.take(() => {
          era.throwIfAborted()
          return this.history.recordFiles(changed, wrote)
        }),
    }
    this.files = new SandboxFiles(activities)
    this.directories = new SandboxDirectories(activities)
    if (machine !== undefined) this.#keeper.take(machine, rest)
  }

  get status(): VMInfo["status"] {
    if (this.history.restoring) return "restoring"
    if (this.#keeper.machine !== undefined) return "running"
    if (this.#keeper.isPaused) return "paused"
    return this.#keeper.lastStartFailed ? "failed" : "stopped"
  }

  /** What was lost when it was last resumed, for people; null when nothing was. */
  get degraded(): string | null {
    return this.#keeper.degraded
  }

  /** Whether the agent answers now. */
  async healthy(): Promise<boolean> {
    const { machine } = this.#keeper
    if (machine === undefined || machine.stalled) return false
    return machine.agent.ping(pingMilliseconds).then(
      () => true,
      () => false,
    )
  }

  /**
   * Runs a command to its end, whatever its exit code, and takes a snapshot unless told not to.
   *
   * @throws Failure: `timeout`, `aborted`, `interrupted`, `unavailable`, `disk_full` and `damaged`, with what was printed
   *   so far; `invalid_request` for a directory or a user that is not there; `limit_reached`, `quota_exceeded`.
   */
  run(request: RunRequest, { signal: caller, listener }: RunCaller): Promise<RunOutcome> {
    const { command, timeoutSeconds, snapshot: recorded, encoding, stdin } = request
    return this.#beside(async (machine, era) => {
      if (caller?.aborted === true) throw abandoned()
      const capture = new Capture(this.#means.maxOutputBytes, listener)
      try {
        const execution = machine.exec(execRequest(request), capture.handlers)
        if (stdin !== undefined) {
          void execution.write(stdin)
          execution.end()
        }
        const onKill = () => {
          capture.release()
        }
        const result = await commandEnd(machine, execution, { era, timeoutSeconds, caller, onKill })
        const snapshot = recorded
          ? await this.#record(machine, era, command, result)
          : { name: null, milliseconds: 0 }
        return {
          answer: { ...capture.answer(encoding), exitCode: exitCodeOf(result), snapshot: snapshot.name },
          timings: {
            guestMs: result.guestMicroseconds / 1000,
            syncMs: result.syncMicroseconds / 1000,
            snapshotMs: snapshot.milliseconds,
          },
        }
      } catch (error) {
        throw capture.addTo(error)
      }
    })
  }

  /** Starts a command or a shell whose input and output flow; takes a snapshot when it has ended by itself. */
  openSession({ recordAs, ...request }: SessionRequest, handlers: SessionHandlers): Promise<SandboxSession> {
    const recorded = recordAs ?? request.command ?? null
    return new Promise((resolve, reject) => {
      const whole = this.#beside(async (machine, era) => {
        const execution = machine.exec({ ...request, stdin: true, sync: true }, handlers)
        let cancelled = false
        const ended = commandEnd(machine, execution, { era }).then(async (result) => {
          const taken = cancelled ? undefined : await this.#record(machine, era, recorded, result)
          return {
            exitCode: result.exitCode,
            signal: result.signal?.replace(/^SIG/, "") ?? null,
            snapshot: taken?.name ?? null,
          }
        })
        // One that cannot begin is no session: its failure is told as that.
        if (request.pty !== undefined) await begun(execution, ended)
        resolve({
          ended,
          write: (chunk) => execution.write(chunk),
          end: () => {
            execution.end()
          },
          resize: (cols, rows) => {
            execution.resize(cols, rows)
          },
          signal: (name) => {
            execution.signal(`SIG${name}`)
          },
          cancel: () => {
            cancelled = true
            void killCommand(machine, execution)
          },
        })
        await ended
      })
      whole.catch(reject)
    })
  }

  /**
   * Puts its memory on the disk and ends its machine; its next use brings all of it back. What connections had begun is
   * interrupted, and goes on in the background then. Nothing happens to one whose machine does not run.
   *
   * @throws Failure `unavailable`, `disk_full`; the machine goes on then.
   */
  pause(): Promise<void> {
    return this.#turns.take(() => this.#pause("request"))
  }

  /** Has its machine run, on its memory where it was paused. @throws Failure `unavailable`, `disk_full`, `damaged`. */
  async resume(): Promise<void> {
    await this.#enter()
  }

  /** Empties the workspace, without a snapshot. It stays empty whatever happens to the machine. */
  wipe(): Promise<void> {
    return this.lifetime.during(() => this.#turns.take(() => this.#wipe()))
  }

  async #wipe(): Promise<void> {
    const machine = await this.#keeper.up()
    try {
      await machine.agent.wipe(wipeMilliseconds)
    } catch (error) {
      // A guest that does not answer may still be deleting: it must not go on behind the next command's back.
      if (!(error instanceof AgentError)) await machine.kill()
      throw new Failure("unavailable", `The workspace could not be emptied: ${String(error)}`)
    }
  }

  /** Has the running machine read a rewritten layer from its new file, when its turn comes. */
  rewritten(layer: RewrittenLayer): void {
    this.#turns
      .take(() => this.#keeper.rewritten(layer))
      .catch((error: unknown) => {
        if (this.#turns.over) return
        // The machine goes on with the old file, which shows the same.
        const { log } = this.#means
        log.warn(
          { sandbox: this.row.name, layer: layer.layer, err: error },
          "a machine keeps a layer's old file",
        )
      })
  }

  /** Ends the machine and deletes everything of the sandbox. */
  destroy(): Promise<void> {
    return this.#turns.take(async () => {
      const freed = await this.#means.store.destroy(this.row.id)
      failpoint("destroy.recorded")
      this.#turns.end(new Failure("not_found", `There is no sandbox "${this.row.name}".`))
      this.lifetime.end()
      this.#era.abort(new Failure("interrupted", "The sandbox was destroyed while the command ran."))
      await this.#keeper.leave(freed)
      await this.#means.compactor.reclaim(freed.left)
    })
  }

  /** Ends the machine in order, for the end of the server; the sandbox starts again where it was. */
  async close(): Promise<void> {
    const reason = new Failure("unavailable", "The server is shutting down.")
    this.lifetime.end()
    this.#turns.end(reason)
    this.#era.abort(reason)
    await this.#turns.last(() => this.#keeper.stop())
  }

  /** The machine that runs now, if one does; that of a paused sandbox is resumed for it. */
  async #present(): Promise<{ machine: Machine; era: AbortSignal } | undefined> {
    if (this.#keeper.isPaused) {
      const [machine, era] = await this.#enter()
      return { machine, era }
    }
    const { machine } = this.#keeper
    return machine === undefined || machine.ending ? undefined : { machine, era: this.#era.signal }
  }

  /** Pauses the sandbox unless something has begun meanwhile. */
  #pauseWhenIdle(): Promise<void> {
    return this.#turns.take(async () => {
      if (this.lifetime.isIdle) await this.#pause("idle")
    })
  }

  async #pause(reason: "request" | "idle"): Promise<void> {
    const committed = () => {
      const message = `The sandbox was paused meanwhile. What ran goes on when it is resumed: see its processes.`
      this.#interrupt(new Failure("interrupted", message))
    }
    if (await this.#keeper.pause(committed)) this.#means.metrics.pauses.inc({ reason })
  }

  /** Ends what began before, for its callers. */
  #interrupt(reason: Failure): void {
    this.#era.abort(reason)
    this.#era = newEra()
  }

  /** Runs beside others of its kind, on a machine that is up. @param takesRoom Whether the disk must have some for it. */
  async #beside<T>(
    activity: (machine: Machine, era: AbortSignal) => Promise<T>,
    takesRoom = true,
  ): Promise<T> {
    if (this.#commands >= maxCommands) {
      throw new Failure(
        "limit_reached",
        `This sandbox runs ${maxCommands} commands already: wait for one to end.`,
      )
    }
    this.#commands += 1
    const over = this.lifetime.begin()
    try {
      if (takesRoom) {
        await requireSpace(this.#means.dataDirectory)
        await this.history.limits.requireRoom()
      }
      const [machine, era] = await this.#enter()
      return await activity(machine, era)
    } finally {
      over()
      this.#commands -= 1
    }
  }

  /** A machine that is up, and what is aborted when it is no longer the sandbox's. It stays up for a while. */
  #enter(): Promise<readonly [Machine, AbortSignal]> {
    return this.lifetime.during(() =>
      this.#turns.take(async () => [await this.#keeper.up(), this.#era.signal] as const),
    )
  }

  /** Takes the snapshot that follows a command, unless the sandbox has gone another way since the command began. */
  #record(
    machine: Machine,
    era: AbortSignal,
    command: string | null,
    result: ExecResult,
  ): Promise<{ name: string; milliseconds: number }> {
    return this.#turns.take(async () => {
      if (era.aborted) throw era.reason
      return this.history.record(machine, command, result)
    })
  }
}

/** Every command and connection of the sandbox listens to it. */
function newEra(): AbortController {
  const era = new AbortController()
  setMaxListeners(0, era.signal)
  return era
}

/** Waits until a command with a terminal has begun, or ended; at most a moment, since an older agent does not tell. */
async function begun(execution: Execution, ended: Promise<unknown>): Promise<void> {
  const either = Promise.race([execution.begun, ended])
  try {
    await within(beginMilliseconds, "the beginning of the command", either)
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error
  }
}

/** What the agent is asked to run. */
function execRequest({ command, cwd, env, user, stdin, snapshot }: RunRequest): ExecRequest {
  return {
    command,
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
    ...(user !== undefined && { user }),
    stdin: stdin !== undefined,
    sync: snapshot,
  }
}
