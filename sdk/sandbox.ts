// Where a compiler has no word of Symbol.asyncDispose yet, the types of the SDK bring it along.
/// <reference lib="esnext.disposable" preserve="true" />
import type { Call, Caller } from "./call.js"
import { Files } from "./files.js"
import { forkDeadlineMs } from "./fork-deadline.js"
import { OpenSandboxError } from "./opensandbox-error.js"
import { Ports } from "./ports.js"
import type { AttachOptions } from "./process.js"
import { Processes, type StartOptions } from "./processes.js"
import type {
  AttachResult,
  BinaryRunResult,
  DiffResult,
  ExportResult,
  InfoResult,
  PortResult,
  PortsResult,
  ProcessesResult,
  ReadAtResult,
  RestoreResult,
  RetentionResult,
  RunResult,
  SandboxResult,
  SimpleResult,
  SnapshotResult,
  SnapshotsResult,
  TerminalResult,
  UndoResult,
  UnrecordedBinaryRunResult,
  UnrecordedRunResult,
  UrlResult,
} from "./results.js"
import { runCommand, type BinaryRunOptions, type RunOptions } from "./run.js"
import {
  isDiff,
  isMessage,
  isRestoreAnswer,
  isRetentionStatus,
  isSnapshot,
  isSnapshotList,
  isTerminalTicket,
  isUndoAnswer,
  isVMInfo,
} from "./shapes.js"
import { stringArgument } from "./string-argument.js"
import { Terminal, type TerminalOptions } from "./terminal.js"
import type { LifetimeSettings, Retention } from "./wire-types.js"

/** How to fork a sandbox. */
export interface ForkOptions {
  /** The snapshot to begin from; the present when left out. */
  snapshot?: string | undefined
  /** Whether memory and processes are copied too; `snapshot` must hold them then. Default false. */
  memory?: boolean | undefined
}

/** Milliseconds until an archive has begun, most of which the server needs to gather a large disk; just under Node's 300 s. */
const gatheringMs = 290_000

/**
 * A sandbox on the server, by name. Made by `Client.create`, `Client.sandbox` and forks. No method rejects for what the
 * server or the network does. Wherever a snapshot is named, its label is as good as its name.
 */
export class Sandbox {
  readonly name: string
  readonly #files: Files
  readonly #caller: Caller
  readonly #ports: Ports
  readonly #processes: Processes

  constructor(caller: Caller, name: string) {
    this.#caller = caller
    this.#ports = new Ports(caller, name)
    this.#processes = new Processes(caller, name)
    this.name = name
    this.#files = new Files(caller, name)
  }

  /**
   * Its files, one by one.
   * @example
   * await sandbox.files.write("notes.txt", "first line\n")
   */
  get files(): Files {
    return this.#files
  }

  /**
   * Runs a shell command in /workspace and takes a snapshot after it. A command that ran to its end is a success
   * whatever its exit code.
   * @param timeout seconds until the command is killed, with everything it started; at most 86400
   * @example
   * const result = await sandbox.run("make test", 600)
   * if (result.success) console.log(result.exitCode, result.stdout, result.snapshot)
   * else console.error(result.code, result.error)
   */
  run(command: string, timeout?: number): Promise<RunResult>
  /**
   * Runs a shell command: elsewhere than in /workspace, with an environment, as another user, with input; with its output
   * told while it runs; with output as bytes; without a snapshot after it.
   * @example
   * await sandbox.run("make -j4", { timeout: 600, onStdout: (text) => console.log(text) })
   * await sandbox.run("psql", { cwd: "db", env: { PGDATABASE: "shop" }, user: "postgres", stdin: "select 1" })
   * const { stdout } = unwrap(await sandbox.run("gzip -c log", { encoding: "buffer", snapshot: false }))
   */
  run(command: string, options: RunOptions & { snapshot?: true | undefined }): Promise<RunResult>
  run(command: string, options: RunOptions & { snapshot: false }): Promise<UnrecordedRunResult>
  run(command: string, options: RunOptions): Promise<RunResult | UnrecordedRunResult>
  run(command: string, options: BinaryRunOptions & { snapshot?: true | undefined }): Promise<BinaryRunResult>
  run(command: string, options: BinaryRunOptions & { snapshot: false }): Promise<UnrecordedBinaryRunResult>
  run(command: string, options: BinaryRunOptions): Promise<BinaryRunResult | UnrecordedBinaryRunResult>
  run(command: string, given?: number | RunOptions | BinaryRunOptions) {
    const options = typeof given === "object" ? given : { timeout: given }
    return runCommand(this.#caller, this.#request("POST", "run"), command, options)
  }

  /**
   * Starts a shell command that goes on in the background, whoever listens, until it ends, is killed, or the sandbox goes
   * back to a snapshot. No snapshot is taken when it ends. At most 64 run at the same time.
   * @example
   * const started = await sandbox.start("npm run dev", { env: { PORT: "3000" } })
   * if (started.success) for await (const text of started.process.stdout) console.log(text)
   */
  start(
    command: string,
    options: StartOptions & { encoding: "buffer" },
  ): Promise<AttachResult<Uint8Array<ArrayBuffer>>>
  start(command: string, options?: StartOptions): Promise<AttachResult>
  start(command: string, options: StartOptions = {}): Promise<AttachResult<never>> {
    return this.#processes.start(command, options)
  }

  /**
   * A handle of a process that was started earlier, here or elsewhere. Its output begins with the last 1 MiB of what it
   * has printed.
   * @param process its `pid`, which names whichever process has it now, or its `id`
   * @example
   * const attached = await sandbox.attach(pid)
   * if (attached.success) console.log(await attached.process.wait())
   */
  attach(
    process: number | string,
    options: AttachOptions & { encoding: "buffer" },
  ): Promise<AttachResult<Uint8Array<ArrayBuffer>>>
  attach(process: number | string, options?: AttachOptions): Promise<AttachResult>
  attach(process: number | string, options: AttachOptions = {}): Promise<AttachResult<never>> {
    return this.#processes.attach(process, options)
  }

  /**
   * The processes that were started with `start`: those that run and the 16 that ended last, in the order of their starts.
   * @example
   * const listed = await sandbox.processes()
   * if (listed.success) for (const { pid, command, running } of listed.processes) console.log(pid, command, running)
   */
  processes(): Promise<ProcessesResult> {
    return this.#processes.list()
  }

  /**
   * Opens a terminal with a shell, or with a command in it.
   * @example
   * const opened = await sandbox.terminal({ cols: 120, rows: 40, cwd: "src" })
   * if (opened.success) opened.terminal.onData((chunk) => screen.write(chunk))
   */
  async terminal(options: TerminalOptions = {}): Promise<TerminalResult> {
    const call = { ...this.#request("POST", "terminal"), body: options }
    const admitted = await this.#caller.call(call, isTerminalTicket)
    if (!admitted.success) return admitted
    const { ticket } = admitted.body
    const socket = this.#caller.webSocket(["vms", this.name, "terminal"], { ticket })
    return socket.success ? Terminal.open(socket.body) : socket
  }

  /**
   * The sandbox's snapshots, by creation time.
   * @example
   * const listed = await sandbox.snapshots()
   * if (listed.success) for (const { snapshot_name, command } of listed.snapshots) console.log(snapshot_name, command)
   */
  async snapshots(): Promise<SnapshotsResult> {
    const answer = await this.#caller.call(this.#request("GET", "snapshots"), isSnapshotList)
    return answer.success ? { success: true, snapshots: answer.body.snapshots } : answer
  }

  /**
   * Takes a snapshot of the present.
   * @param label a name of your own for it: 1 to 64 letters, digits, `.`, `_` and `-`. No limit deletes one with a label.
   * @param options.memory whether it holds the whole machine, with memory and processes, so that a restore brings those
   *   back; when left out, as the sandbox's own snapshots do (see `CreateOptions.snapshots`)
   * @example
   * await sandbox.snapshot("tests-pass")
   * await sandbox.snapshot("server-runs", { memory: true })
   */
  async snapshot(label?: string, options: { memory?: boolean | undefined } = {}): Promise<SnapshotResult> {
    const call = { ...this.#request("POST", "snapshots"), body: { label, memory: options.memory } }
    const answer = await this.#caller.call(call, isSnapshot)
    return answer.success ? { success: true, snapshot: answer.body } : answer
  }

  /**
   * Deletes a snapshot. Those before and after it are as they were; `initial` stays.
   * @example
   * await sandbox.deleteSnapshot("cmd_1767225600000")
   */
  async deleteSnapshot(snapshot_name: string): Promise<SimpleResult> {
    const snapshot = stringArgument("snapshot_name", snapshot_name)
    return this.#simple(this.#request("DELETE", "snapshots", snapshot))
  }

  /**
   * Goes back to a snapshot. All snapshots after it are deleted, and the sandbox's processes end. One of the whole
   * machine brings back those that ran when it was taken; `processes` finds commands among them. Where its memory is
   * damaged only the files are back, and `degraded` says why.
   * @param options.keep whether what is the present now is first forked into a new sandbox, named in `kept`
   * @example
   * const restored = await sandbox.restore("tests-pass", { keep: true })
   * if (restored.success) console.log(restored.kept)
   */
  async restore(snapshot_name: string, options: { keep?: boolean | undefined } = {}): Promise<RestoreResult> {
    const snapshot = stringArgument("snapshot_name", snapshot_name)
    const call = { ...this.#request("POST", "snapshots", snapshot, "restore"), body: { keep: options.keep } }
    const answer = await this.#caller.call(call, isRestoreAnswer)
    return answer.success ? { ...answer.body, success: true } : answer
  }

  /**
   * Goes back to the snapshot before the newest one, which is deleted.
   * @example
   * await sandbox.run("rm -rf src")
   * await sandbox.undo()
   */
  async undo(): Promise<UndoResult> {
    const answer = await this.#caller.call(this.#request("POST", "undo"), isUndoAnswer)
    return answer.success ? { ...answer.body, success: true } : answer
  }

  /**
   * Makes a new sandbox from this one, which goes on. It shares this one's disk until it changes it. With `memory` it is
   * a running copy, whose hostname, random generator and network are its own; `Client.fork` makes many of one instant.
   * @param options.snapshot the snapshot to begin from; the present when left out
   * @param options.memory whether memory and processes are copied too; a snapshot must hold them then
   * @example
   * const fork = await sandbox.fork("experiment", { snapshot: "tests-pass" })
   * const twin = await sandbox.fork("twin", { memory: true })
   */
  async fork(name: string, options: ForkOptions = {}): Promise<SandboxResult> {
    const body = { name: stringArgument("name", name), ...options }
    const call = { ...this.#request("POST", "fork"), body, deadlineMs: forkDeadlineMs(1) }
    const answer = await this.#caller.call(call, isVMInfo)
    return answer.success ? { success: true, sandbox: new Sandbox(this.#caller, answer.body.name) } : answer
  }

  /**
   * What differs between the files of two snapshots. The machine is not disturbed.
   * @param a the snapshot to compare from
   * @param b the snapshot to compare with; the present when left out
   * @param options.patch a text file, to be compared line by line; a relative path begins in /workspace
   * @example
   * const diff = await sandbox.diff("tests-pass", undefined, { patch: "src/main.ts" })
   * if (diff.success) console.log(diff.changes.length, diff.patch)
   */
  async diff(a: string, b?: string, options: { patch?: string | undefined } = {}): Promise<DiffResult> {
    const query = { from: stringArgument("a", a), to: b, patch: options.patch }
    const answer = await this.#caller.call({ ...this.#request("GET", "diff"), query }, isDiff)
    return answer.success ? { ...answer.body, success: true } : answer
  }

  /**
   * A file of at most 64 MiB as it was in a snapshot. The machine is not disturbed.
   * @param path a relative one begins in /workspace
   * @example
   * const file = await sandbox.readAt("tests-pass", "package.json")
   * if (file.success) console.log(file.content)
   */
  async readAt(snapshot_name: string, path: string): Promise<ReadAtResult> {
    const snapshot = stringArgument("snapshot_name", snapshot_name)
    const query = { path: stringArgument("path", path) }
    const call = { ...this.#request("GET", "snapshots", snapshot, "file"), query }
    const answer = await this.#caller.bytes(call, "application/octet-stream")
    if (!answer.success) return answer
    const content = new TextDecoder("utf-8", { ignoreBOM: true }).decode(answer.body)
    return { success: true, bytes: answer.body, content }
  }

  /**
   * The limits on the sandbox's snapshots and disk, and what it takes now.
   * @example
   * const status = await sandbox.retention()
   * if (status.success) console.log(status.retention.bytes, status.retention.quota_bytes)
   */
  async retention(): Promise<RetentionResult> {
    const answer = await this.#caller.call(this.#request("GET", "retention"), isRetentionStatus)
    return answer.success ? { success: true, retention: answer.body } : answer
  }

  /**
   * Sets the limits, all of them anew: one that is left out is the server's default, null is none. Snapshots beyond them
   * are deleted, the oldest first, but never `initial` and those with a label.
   * @example
   * await sandbox.setRetention({ keep_last: 200, max_bytes: 5e9, quota_bytes: 10e9 })
   */
  async setRetention(retention: Retention): Promise<RetentionResult> {
    const answer = await this.#caller.call(
      { ...this.#request("PUT", "retention"), body: retention },
      isRetentionStatus,
    )
    return answer.success ? { success: true, retention: answer.body } : answer
  }

  /**
   * A snapshot's files and the sandbox's history up to it, as a tar archive compressed with zstd, for `Client.import`. Of
   * one of the whole machine it holds the files, not the memory. The stream fails when the archive breaks off or nothing
   * comes for a minute: only one that ends is complete.
   * @param options.snapshot the snapshot to export; the present when left out
   * @param options.image whether the guest's image goes with it, for servers that do not have it; default true
   * @example
   * const exported = await sandbox.export()
   * if (exported.success) await writeFile("my-sandbox.tar.zst", exported.archive)
   */
  async export(
    options: { snapshot?: string | undefined; image?: boolean | undefined } = {},
  ): Promise<ExportResult> {
    const query = { snapshot: options.snapshot, image: options.image === false ? "false" : undefined }
    const call = { ...this.#request("GET", "export"), query, deadlineMs: gatheringMs }
    const answer = await this.#caller.stream(call, "application/zstd")
    return answer.success ? { success: true, archive: answer.body } : answer
  }

  /**
   * Where a server in the sandbox is reached by HTTP and WebSocket, as in `http://8080-my-sandbox.localhost:4000/`. It
   * takes the API key in the header `x-api-key`, and no key where the port is public. No request is made.
   * @param port where the server listens inside the sandbox, at 127.0.0.1 or all addresses
   * @throws TypeError when the base URL names an address that is not the host's own, and OPENSANDBOX_DOMAIN is not set
   * @example
   * const page = await fetch(sandbox.url(8080), { headers: { "x-api-key": key } })
   */
  url(port: number): string
  /**
   * A link by which a server in the sandbox is reached without a key, for so many seconds, at most 30 days.
   * @example
   * const link = await sandbox.url(8080, { expires: 3600 })
   * if (link.success) console.log(link.url)
   */
  url(port: number, options: { expires: number }): Promise<UrlResult>
  url(port: number, options?: { expires: number }): string | Promise<UrlResult> {
    return options === undefined ? this.#ports.url(port) : this.#ports.signedUrl(port, options.expires)
  }

  /**
   * Waits until something in the sandbox listens on a port, at 127.0.0.1 or all addresses.
   * @param timeout seconds until it fails with `timeout`; default 30, at most 86400
   * @example
   * await sandbox.run("python3 -m http.server 8080 > server.log 2>&1 &")
   * await sandbox.waitForPort(8080)
   */
  async waitForPort(port: number, timeout?: number): Promise<SimpleResult> {
    return this.#ports.wait(port, timeout)
  }

  /**
   * Says who may reach a port: with `public`, everybody who reaches the server, without a key or a link.
   * @example
   * await sandbox.setPort(8080, { public: true })
   */
  async setPort(port: number, options: { public: boolean }): Promise<PortResult> {
    return this.#ports.set(port, options)
  }

  /**
   * The ports that are public.
   * @example
   * const result = await sandbox.ports()
   * if (result.success) console.log(result.ports.map(({ port }) => port))
   */
  async ports(): Promise<PortsResult> {
    return this.#ports.list()
  }

  /**
   * The sandbox and the state of its virtual machine.
   * @example
   * const info = await sandbox.info()
   * if (info.success) console.log(info.vm.status, info.vm.ssh_port)
   */
  async info(): Promise<InfoResult> {
    return this.#info(this.#request("GET"))
  }

  /**
   * Puts the memory of its machine on the server's disk and ends the machine, so that it takes neither memory nor processor
   * time. Its next use brings all of it back where it was, processes included, also after a restart of the server and its
   * host. What is waited for at that moment fails with `interrupted`, and goes on with the other processes then. A sandbox
   * whose machine does not run stays as it is.
   * @example
   * const paused = await sandbox.pause()
   * if (paused.success) console.log(paused.vm.status)
   */
  async pause(): Promise<InfoResult> {
    return this.#info(this.#request("POST", "pause"))
  }

  /**
   * Has its machine run, with the memory that it had when it was paused. Whatever else uses the sandbox does so too.
   * `vm.degraded` tells when the memory was damaged and the machine started from its disk, without its processes.
   * @example
   * const resumed = await sandbox.resume()
   * if (resumed.success && resumed.vm.degraded !== null) console.warn(resumed.vm.degraded)
   */
  async resume(): Promise<InfoResult> {
    return this.#info(this.#request("POST", "resume"))
  }

  /**
   * Sets when it is paused and destroyed by itself: after `idle_timeout` seconds in which nobody does anything in it, and
   * `ttl` seconds from now. Null is never, and what is left out stays as it is.
   *
   * A command, a terminal, an SSH session, a transfer or watch of files and a connection to a port keep it awake for as long
   * as they last. Processes in the background do not, nor does reading what they print.
   * @example
   * await sandbox.setLifetime({ idle_timeout: 600 })
   * await sandbox.setLifetime({ ttl: 86_400 })
   */
  async setLifetime(lifetime: LifetimeSettings): Promise<InfoResult> {
    return this.#info({ ...this.#request("PATCH"), body: lifetime })
  }

  /**
   * Removes all files in the workspace, without a snapshot.
   * @example
   * await sandbox.wipe()
   */
  async wipe(): Promise<SimpleResult> {
    return this.#simple(this.#request("POST", "wipe"))
  }

  /**
   * Removes the sandbox and all its snapshots, permanently.
   * @example
   * await sandbox.destroy()
   */
  async destroy(): Promise<SimpleResult> {
    return this.#simple(this.#request("DELETE"))
  }

  /**
   * Destroys the sandbox with all its snapshots at the end of an `await using` block, however that is left. Nothing is
   * done where it is gone already.
   * @throws OpenSandboxError when it cannot be destroyed: a block's end has no result that could tell
   * @example
   * await using sandbox = unwrap(await client.create("for-now")).sandbox
   * await sandbox.run("make test")
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const destroyed = await this.destroy()
    if (!destroyed.success && destroyed.code !== "not_found") throw new OpenSandboxError(destroyed)
  }

  async #info(call: Call): Promise<InfoResult> {
    const answer = await this.#caller.call(call, isVMInfo)
    return answer.success ? { success: true, vm: answer.body } : answer
  }

  async #simple(call: Call): Promise<SimpleResult> {
    const answer = await this.#caller.call(call, isMessage)
    return answer.success ? { success: true, message: answer.body.message } : answer
  }

  #request(method: Call["method"], ...below: string[]): Call {
    return { method, path: ["vms", this.name, ...below] }
  }
}
