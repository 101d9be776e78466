import type { Socket } from "node:net"
import type { z } from "zod"
import { DeadlineError, within } from "../deadline.js"
import { connectWhenReady } from "../unix-socket.js"
import type { ChangedPath } from "./changed-path.js"
import { AgentError, AgentGoneError, ProtocolError } from "./errors.js"
import { CommandStream, type ExecRequest, type Execution, type OutputHandlers } from "./execution.js"
import { encodeFrame, FrameDecoder, limits, type Frame, type FrameType } from "./frame.js"
import { GuestPorts } from "./guest-ports.js"
import { GuestDirectories } from "./guest-directories.js"
import { GuestStream, type StreamHandlers } from "./guest-stream.js"
import { GuestFiles } from "./guest-files.js"
import { greet, type Greeting } from "./handshake.js"
import {
  change,
  changesDone,
  digestDone,
  freezeDone,
  pong,
  readDone,
  rehearseDone,
  resumeDone,
  setupDone,
  signalExecDone,
  syncDone,
  thawDone,
  wipeDone,
  type Request,
  type ResumeRequest,
  type SetupRequest,
} from "./messages.js"
import { parseJson } from "./json.js"
import { JsonLines } from "./json-lines.js"
import { Answer, quietly, type SendFrame, type Stream } from "./stream.js"
import { StreamedAnswer } from "./streamed-answer.js"

export { AgentError, AgentGoneError } from "./errors.js"
export type { ExecRequest, ExecResult, Execution } from "./execution.js"
export type { SetupRequest } from "./messages.js"
export type { OutputHandler } from "./output-channel.js"

/** Bytes that may wait for a guest that does not read. */
const longestQueue = 32 * 1024 * 1024

/** How long the agent may take to send a signal. */
const signalMilliseconds = 10_000

/** A session with the agent of one machine. The guest is not trusted: one that breaks the protocol is hung up on. */
export class AgentConnection {
  /** What the agent said of itself. `ready` means that the machine was set up before. */
  readonly welcome: { readonly agentVersion: string; readonly ready: boolean }
  /** Resolves when the connection is gone, whatever the reason. */
  readonly closed: Promise<void>
  /** The guest's TCP ports. */
  readonly ports = new GuestPorts(this)
  /** The guest's files, one by one. */
  readonly files = new GuestFiles(this)
  /** The guest's directories, each as a whole. */
  readonly directories = new GuestDirectories(this)

  readonly #socket: Socket
  readonly #decoder = new FrameDecoder()
  readonly #streams = new Map<number, Stream>()
  #lastStream = 0
  #welcomesDue: number
  #gone: AgentGoneError | undefined
  #held = false

  private constructor(socket: Socket, greeting: Greeting) {
    const { agentVersion, ready } = greeting.welcome
    this.welcome = { agentVersion, ready }
    this.#socket = socket
    this.#welcomesDue = greeting.welcomesDue
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#hangUp("the agent's connection closed")
        resolve()
      })
    })
    socket.on("error", (error) => {
      this.#hangUp(error.message)
    })
    socket.on("data", (bytes) => {
      this.#receiveAll(bytes)
    })
    this.#receiveAll(greeting.rest)
    socket.resume()
  }

  /** Connects to the agent's socket, which may not be there yet, and begins a session. @throws as `begin` does. */
  static async connect(socketPath: string, { deadlineMs }: { deadlineMs: number }): Promise<AgentConnection> {
    const end = performance.now() + deadlineMs
    const socket = await connectWhenReady(socketPath, deadlineMs)
    return AgentConnection.begin(socket, { deadlineMs: end - performance.now() })
  }

  /**
   * Begins a session on a connected socket, which is the connection's from now on. What earlier sessions left running in
   * the foreground is killed.
   *
   * @param options.resumed Whether the machine goes on from an instant of another one: what ran in the foreground then is
   *   among its processes from now on, and `resume` has to follow.
   * @throws DeadlineError when the agent did not answer in time.
   * @throws AgentGoneError when the connection closed before it answered.
   * @throws AgentError with code `protocol_mismatch`.
   */
  static async begin(
    socket: Socket,
    { deadlineMs, resumed }: { deadlineMs: number; resumed?: boolean },
  ): Promise<AgentConnection> {
    const late = AbortSignal.timeout(Math.max(1, Math.ceil(deadlineMs)))
    try {
      if (socket.destroyed) throw new AgentGoneError("the connection closed before the agent answered")
      return new AgentConnection(socket, await greet(socket, late, resumed))
    } catch (error) {
      socket.on("error", () => undefined).destroy()
      if (late.aborted) throw new DeadlineError(`the agent did not answer within ${Math.ceil(deadlineMs)} ms`)
      throw error
    }
  }

  /** Whether requests can be made. Once it is false it stays so. */
  get open(): boolean {
    return this.#gone === undefined
  }

  /** @throws DeadlineError when no answer came in time, AgentGoneError; so do the other requests. */
  async ping(deadlineMs: number): Promise<void> {
    await this.ask({ op: "ping" }, pong, deadlineMs)
  }

  /**
   * Mounts the machine's disk and gives the machine its identity.
   *
   * @throws AgentError with code `already_set_up` or `setup_failed`.
   */
  async setup(request: SetupRequest, deadlineMs: number): Promise<{ mountMicroseconds: number }> {
    const { mountUs } = await this.ask({ op: "setup", ...request }, setupDone, deadlineMs)
    return { mountMicroseconds: mountUs }
  }

  /**
   * Has the machine do on a disk that nobody will use what a setup and a command do, so that software emulation has
   * translated the code for it when they come.
   *
   * @throws AgentError with code `already_set_up`, `setup_failed`, or `bad_request` from an agent that knows no rehearsal.
   */
  async rehearse(device: string, deadlineMs: number): Promise<void> {
    await this.ask({ op: "rehearse", device }, rehearseDone, deadlineMs)
  }

  /**
   * Has all that commands and processes started stand still, until `thaw` or the next session.
   *
   * @throws AgentError with code `bad_request` from an agent that cannot.
   */
  async freeze(deadlineMs: number): Promise<void> {
    await this.ask({ op: "freeze" }, freezeDone, deadlineMs)
  }

  /** Has what stands still go on. */
  async thaw(deadlineMs: number): Promise<void> {
    await this.ask({ op: "thaw" }, thawDone, deadlineMs)
  }

  /**
   * Gives a machine that goes on from an instant of another one its own clock, random generator and names, and then has
   * what stands still go on.
   *
   * @throws AgentError with code `setup_failed` or `not_set_up`.
   */
  async resume(request: ResumeRequest, deadlineMs: number): Promise<void> {
    await this.ask({ op: "resume", ...request }, resumeDone, deadlineMs)
  }

  /** Sends and reads nothing until `release`, so that nothing reaches or leaves a guest that stands still. */
  hold(): void {
    if (this.#held) return
    this.#held = true
    this.#socket.cork()
    this.#socket.pause()
  }

  /** Ends `hold`. What was to be sent meanwhile is sent now. */
  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#socket.uncork()
    this.#socket.resume()
  }

  /** Runs a command, without a deadline: cancel it. Errors are those of the execution's result. */
  exec(request: ExecRequest, handlers: OutputHandlers): Execution {
    const id = this.#nextStream()
    const command = new CommandStream(handlers, this.#sender(id), (signal) => {
      // A command that ends meanwhile, with its machine or without it, needs no signal any more.
      quietly(this.ask({ op: "signalExec", stream: id, signal }, signalExecDone, signalMilliseconds))
    })
    const { stdin = request.pty !== undefined, sync = false, ...rest } = request
    this.#open(id, { op: "exec", ...rest, stdin, sync }, command)
    return command
  }

  /**
   * Makes all that was written so far part of the disk.
   *
   * @returns `wrote`: the disk was surely written to since the sync before. That it was not is never sure: ask
   *   `Machine.writes`.
   * @throws AgentError with code `sync_failed` or `not_set_up`.
   */
  async sync(deadlineMs: number): Promise<{ wrote: boolean }> {
    const { wrote = false } = await this.ask({ op: "sync" }, syncDone, deadlineMs)
    return { wrote }
  }

  /**
   * Empties the workspace.
   *
   * @throws AgentError with code `wipe_incomplete` or `not_set_up`.
   */
  async wipe(deadlineMs: number): Promise<void> {
    await this.ask({ op: "wipe" }, wipeDone, deadlineMs)
  }

  /**
   * Lists how the disk differs from the image's base: each directory right before what is in it, names in the order of
   * their bytes.
   *
   * @param limit The most paths, 1 to 1,000,000; `truncated` says that there may be more after them.
   * @throws AgentError with code `io` or `not_set_up`.
   */
  async changes(limit: number, deadlineMs: number): Promise<{ changes: ChangedPath[]; truncated: boolean }> {
    const list = new JsonLines<ChangedPath>(change, limit)
    const { truncated } = await this.download(
      { op: "changes", limit },
      changesDone,
      (bytes) => {
        list.push(bytes)
      },
      deadlineMs,
    )
    return { changes: list.items, truncated }
  }

  /**
   * Reads a regular file. Links are followed inside the sandbox's root.
   *
   * @param path Relative to `/workspace` when it does not begin with a slash.
   * @param limit The most bytes that it may have.
   * @throws AgentError with code `not_found`, `not_a_file`, `too_large`, `io` or `not_set_up`.
   */
  async read(path: string, limit: number, deadlineMs: number): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = []
    let length = 0
    const { size } = await this.download(
      { op: "read", path, limit },
      readDone,
      (bytes) => {
        length += bytes.length
        if (length > limit) throw new ProtocolError("more of a file than was asked for")
        pieces.push(new Uint8Array(bytes))
      },
      deadlineMs,
    )
    if (length !== size) throw new AgentError("io", `the file has ${size} bytes, of which ${length} came`)
    return joined(pieces, length)
  }

  /**
   * @param paths At most 256.
   * @returns the SHA-256 of each file in hexadecimal; null for what is no regular file. Links are not followed.
   * @throws AgentError with code `io` or `not_set_up`.
   */
  async digest(paths: readonly string[], deadlineMs: number): Promise<(string | null)[]> {
    const { digests } = await this.ask({ op: "digest", paths: [...paths] }, digestDone, deadlineMs)
    if (digests.length !== paths.length)
      throw new AgentError("io", `${digests.length} digests came of ${paths.length} files`)
    return digests
  }

  /** Hangs up. The agent notices when the next session begins. */
  close(): void {
    this.#hangUp("the connection to the agent was closed here")
  }

  /** Makes a request that is answered by a response alone. @throws DeadlineError, AgentError, AgentGoneError. */
  async ask<Done>(request: Request, done: z.ZodType<Done>, deadlineMs: number): Promise<Done> {
    const answer = new Answer(done)
    this.#open(this.#nextStream(), request, answer)
    return within(deadlineMs, `the agent's answer to ${request.op}`, answer.promise)
  }

  /**
   * Makes a request that is answered by output as well, all of which is taken as fast as it comes.
   *
   * @throws DeadlineError, AgentError, AgentGoneError.
   */
  async download<Done>(
    request: Request,
    done: z.ZodType<Done>,
    sink: (bytes: Uint8Array) => void,
    deadlineMs: number,
  ): Promise<Done> {
    const id = this.#nextStream()
    const answer = new StreamedAnswer(done, sink, this.#sender(id))
    this.#open(id, request, answer)
    return within(deadlineMs, `the agent's answer to ${request.op}`, answer.promise)
  }

  /** Makes a request whose stream goes on, without a deadline: cancel it. Errors are those of its `done`. */
  stream<Done>(request: Request, done: z.ZodType<Done>, handlers: StreamHandlers): GuestStream<Done> {
    const id = this.#nextStream()
    const stream = new GuestStream(done, handlers, this.#sender(id))
    this.#open(id, request, stream)
    return stream
  }

  #sender(stream: number): SendFrame {
    return (type, payload) => {
      this.#send(type, stream, payload)
    }
  }

  #nextStream(): number {
    return ++this.#lastStream
  }

  #open(id: number, request: Request, stream: Stream): void {
    const payload = Buffer.from(JSON.stringify(request))
    if (this.#gone !== undefined) {
      stream.fail(this.#gone)
    } else if (payload.length > limits.request) {
      stream.fail(new AgentError("bad_request", `the request is longer than ${limits.request} bytes`))
    } else if (this.#streams.size >= limits.streams) {
      stream.fail(new AgentError("too_many_streams", `${limits.streams} requests are not answered yet`))
    } else {
      this.#streams.set(id, stream)
      this.#send("REQUEST", id, payload)
    }
  }

  #send(type: FrameType, stream: number, payload?: Uint8Array): void {
    if (this.#gone !== undefined) return
    this.#socket.write(encodeFrame(type, stream, payload))
    if (this.#socket.writableLength > longestQueue) this.#hangUp("the guest does not read what it is sent")
  }

  #receiveAll(bytes: Uint8Array): void {
    try {
      for (const frame of this.#decoder.push(bytes)) {
        if (this.#gone !== undefined) return
        this.#receive(frame)
      }
    } catch (error) {
      this.#hangUp(`the guest broke the protocol: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #receive(frame: Frame): void {
    if (frame.type === "WELCOME" && this.#welcomesDue > 0) {
      this.#welcomesDue--
      return
    }
    const stream = this.#streams.get(frame.stream)
    if (stream === undefined)
      throw new ProtocolError(`a ${frame.type} frame on stream ${frame.stream}, which is not open`)
    if (frame.type !== "RESPONSE") {
      stream.receive(frame)
      return
    }
    stream.respond(parseJson(frame.payload))
    this.#streams.delete(frame.stream)
  }

  #hangUp(reason: string): void {
    if (this.#gone !== undefined) return
    this.#gone = new AgentGoneError(reason)
    this.#socket.destroy()
    for (const stream of this.#streams.values()) stream.fail(this.#gone)
    this.#streams.clear()
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
