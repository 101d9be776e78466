import { Failure } from "../failure.js"
import type {
  RunOutcome,
  RunRequest,
  SandboxService,
  SandboxSession,
  SessionHandlers,
  SessionRequest,
  Snapshot,
  VMInfo,
} from "../sandboxes/sandbox-service.js"
import { FakeSession } from "./fake-session.js"

const createdAt = "2030-01-01T00:00:00.000Z"

/** Sandboxes without machines. A test may replace what `run` does, and look at the sessions that were opened. */
export class FakeSandboxes implements SandboxService {
  readonly sessions: FakeSession[] = []
  onRun: (request: RunRequest) => Promise<RunOutcome> = (request) => Promise.resolve(echoOf(request))
  readonly #owners = new Map<string, number>()

  create(owner: number, name: string): Promise<VMInfo> {
    return settle(() => {
      if (this.#owners.has(name)) throw new Failure("already_exists", `The name "${name}" is taken.`)
      this.#owners.set(name, owner)
      return infoOf(name)
    })
  }

  list(owner: number): Promise<VMInfo[]> {
    return settle(() => this.#namesOf(owner).map(infoOf))
  }

  info(owner: number, name: string): Promise<VMInfo> {
    return settle(() => infoOf(this.#find(owner, name)))
  }

  destroy(owner: number, name: string): Promise<void> {
    return settle(() => void this.#owners.delete(this.#find(owner, name)))
  }

  run(owner: number, name: string, request: RunRequest): Promise<RunOutcome> {
    return settle(() => {
      this.#find(owner, name)
      return this.onRun(request)
    })
  }

  wipe(owner: number, name: string): Promise<void> {
    return settle(() => void this.#find(owner, name))
  }

  snapshots(owner: number, name: string): Promise<Snapshot[]> {
    return settle(() => [snapshotOf(this.#find(owner, name))])
  }

  allSnapshots(owner: number): Promise<Snapshot[]> {
    return settle(() => this.#namesOf(owner).map(snapshotOf))
  }

  restore(owner: number, name: string, snapshot: string): Promise<void> {
    return settle(() => {
      this.#find(owner, name)
      if (snapshot !== "initial") throw new Failure("not_found", `There is no snapshot "${snapshot}".`)
    })
  }

  openSession(
    owner: number,
    name: string,
    request: SessionRequest,
    handlers: SessionHandlers,
  ): Promise<SandboxSession> {
    return settle(() => {
      this.#find(owner, name)
      if (request.command === "refused") throw new Failure("busy", "The sandbox is busy; try again.")
      const session = new FakeSession(request, handlers)
      this.sessions.push(session)
      return session
    })
  }

  #namesOf(owner: number): string[] {
    return [...this.#owners.keys()].filter((name) => this.#owners.get(name) === owner)
  }

  #find(owner: number, name: string): string {
    if (this.#owners.get(name) !== owner) throw new Failure("not_found", `There is no sandbox "${name}".`)
    return name
  }
}

/** What a run answers unless the test says otherwise: the request, as seen by the service. */
function echoOf(request: RunRequest): RunOutcome {
  return {
    answer: {
      stdout: JSON.stringify(request),
      stderr: "",
      exitCode: 0,
      snapshot: "cmd_1",
      stdoutTruncated: false,
      stderrTruncated: false,
    },
    timings: { guestMs: 20, syncMs: 3.456, snapshotMs: 1 },
  }
}

async function settle<Result>(act: () => Result | Promise<Result>): Promise<Result> {
  await Promise.resolve()
  return act()
}

function infoOf(name: string): VMInfo {
  return {
    id: 1,
    name,
    status: "running",
    agent_port: 1,
    ssh_port: 2,
    agentHealthy: true,
    accelerator: "tcg",
    created_at: createdAt,
  }
}

function snapshotOf(name: string): Snapshot {
  return { id: 1, vm_name: name, snapshot_name: "initial", command: null, created_at: createdAt }
}
