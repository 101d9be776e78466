import { constants } from "node:os"
import type { Socket } from "node:net"
import type { ServerChannel, Session } from "ssh2"
import { Failure } from "../failure.js"
import type {
  SandboxSession,
  SessionEnd,
  SessionHandlers,
  SessionRequest,
  Terminal,
} from "../sandboxes/sandbox-service.js"
import { ChannelOutput } from "./channel-output.js"
import { sftpCommand } from "./sftp.js"
import { terminalOf, windowSize } from "./terminal.js"

export type OpenSession = (request: SessionRequest, handlers: SessionHandlers) => Promise<SandboxSession>

/** What `ssh` itself exits with when something other than the command failed. */
const failureExitCode = 255
const signalNumbers: Partial<Record<string, number>> = constants.signals
const maxVariables = 64
/** Any will do: who logs in is the master of the guest anyway. */
const acceptedVariable = /^[A-Za-z_]\w{0,127}$/
const acceptedValue = /^[^\0]{0,4096}$/
const signalName = /^[A-Z0-9]{1,8}$/

/** The signals that the SSH protocol can name. */
const namedSignals = /^(ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2)$/

/** What a session runs: a shell when it is empty. */
type SessionProgram = Pick<SessionRequest, "command" | "recordAs">

/** One session of an SSH connection: what the client asks for, then one command or shell. */
export class SshSession {
  readonly #socket: Socket
  readonly #open: OpenSession
  readonly #onUnexpectedError: (error: unknown) => void
  readonly #gone = new AbortController()
  readonly #env: Record<string, string> = {}
  #pty: Terminal | undefined
  #channel: ServerChannel | undefined
  #running: SandboxSession | undefined
  #onStarted!: (running: SandboxSession) => void
  readonly #started = new Promise<SandboxSession>((resolve) => {
    this.#onStarted = resolve
  })

  constructor(socket: Socket, open: OpenSession, onUnexpectedError: (error: unknown) => void) {
    this.#socket = socket
    this.#open = open
    this.#onUnexpectedError = onUnexpectedError
  }

  /** Bytes that the client sent and the command has not taken yet. */
  get waitingInput(): number {
    return this.#channel?.readableLength ?? 0
  }

  /** The client is gone: cancels what runs. */
  leave(): void {
    this.#gone.abort()
  }

  /** Does what the client asks for. It may start one command or shell, not more. */
  serve(session: Session): void {
    session.on("close", () => {
      this.leave()
    })
    session.on("env", (accept, reject, { key, val }) => {
      const full = Object.keys(this.#env).length >= maxVariables
      if (full || !acceptedVariable.test(key) || !acceptedValue.test(val)) {
        reply(reject)
        return
      }
      this.#env[key] = val
      reply(accept)
    })
    session.on("pty", (accept, _reject, info) => {
      this.#pty = terminalOf(info)
      reply(accept)
    })
    session.on("window-change", (accept, _reject, info) => {
      const size = windowSize(info)
      if (this.#pty !== undefined) this.#pty = { ...this.#pty, ...size }
      this.#running?.resize(size.cols, size.rows)
      reply(accept)
    })
    session.on("signal", (accept, reject, { name }) => {
      if (this.#channel === undefined || !signalName.test(name)) {
        reply(reject)
        return
      }
      // A client may signal a command that is only about to start.
      void this.#started.then((running) => {
        running.signal(name)
      })
      reply(accept)
    })
    session.on("exec", (accept, reject, { command }) => {
      if (/\S/.test(command) && !command.includes("\0")) void this.#run(accept(), { command })
      else reply(reject)
    })
    session.on("subsystem", (accept, reject, { name }) => {
      if (name === "sftp") void this.#run(accept(), { command: sftpCommand, recordAs: name })
      else reply(reject)
    })
    session.on("shell", (accept) => {
      void this.#run(accept(), {})
    })
  }

  /** The channel is accepted before the command starts, so that nothing that the client sends is lost. */
  async #run(channel: ServerChannel, what: SessionProgram): Promise<void> {
    this.#channel = channel
    // Errors of a channel are those of its connection, which ends itself.
    channel.on("error", () => undefined)
    channel.stderr.on("error", () => undefined)
    const output = new ChannelOutput(channel, this.#socket, this.#gone.signal)
    try {
      exit(channel, await this.#runToEnd(channel, what, output))
    } catch (error) {
      const failure = this.#asFailure(error)
      await output.stderr(Buffer.from(`opensandbox: ${failure.message}${this.#pty ? "\r\n" : "\n"}`))
      channel.exit(failureExitCode)
    }
    channel.end()
  }

  async #runToEnd(channel: ServerChannel, what: SessionProgram, output: ChannelOutput): Promise<SessionEnd> {
    const asked = this.#pty
    const request = { ...what, env: this.#env, ...(asked && { pty: asked }) }
    const running = await this.#open(request, {
      onStdout: (chunk) => output.stdout(chunk),
      onStderr: (chunk) => output.stderr(chunk),
    })
    this.#running = running
    this.#onStarted(running)
    if (this.#pty !== undefined && this.#pty !== asked) running.resize(this.#pty.cols, this.#pty.rows)
    if (this.#gone.signal.aborted) running.cancel()
    else {
      this.#gone.signal.addEventListener("abort", () => {
        running.cancel()
      })
    }
    passInput(channel, running)
    return running.ended
  }

  #asFailure(error: unknown): Failure {
    if (error instanceof Failure) return error
    this.#onUnexpectedError(error)
    return new Failure("internal", "The server made a mistake; its log says more.")
  }
}

/** Reads no more from the client than the command takes. */
function passInput(channel: ServerChannel, running: SandboxSession): void {
  channel.on("data", (chunk: Buffer) => {
    channel.pause()
    const resume = () => {
      channel.resume()
    }
    // A command that reads no more still lets the client say that it is done.
    running.write(chunk).then(resume, resume)
  })
  channel.on("end", () => {
    running.end()
  })
}

function exit(channel: ServerChannel, { exitCode, signal }: SessionEnd): void {
  if (signal === null) channel.exit(exitCode ?? failureExitCode)
  else if (namedSignals.test(signal)) channel.exit(signal)
  else channel.exit(128 + (signalNumbers[`SIG${signal}`] ?? 0))
}

/** ssh2 gives no way to reply, despite its types, where the client wants none. */
function reply(answer: (() => void) | undefined): void {
  answer?.()
}
