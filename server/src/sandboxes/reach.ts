import type { Duplex } from "node:stream"
import { AgentError, DeadlineError, type Machine } from "@opensandbox/vm"
import type { ConnectionHandler, GuestAddress, GuestListener, GuestSocket } from "@opensandbox/vm"
import { Failure } from "../failure.js"
import type { Dialled } from "./sandbox-service.js"

/** Connections into one sandbox at one time; the agent has a bound of its own behind it, which commands share. */
const maxConnections = 128

/** How long the guest may take to make a connection or to begin to listen, in milliseconds. */
const guestMilliseconds = 15_000

/**
 * The way to the servers in one sandbox, and from there to outside. It starts the machine when none runs, needs no
 * snapshot, and a restore breaks what it opened.
 */
export class Reach {
  readonly #name: string
  readonly #enter: () => Promise<readonly [Machine, AbortSignal]>
  readonly #keepAwake: () => () => void
  #connections = 0

  /**
   * @param enter Gives a machine that is up, and what is aborted when it is no longer the sandbox's.
   * @param keepAwake Is called when something begins that the sandbox must be up for; the answer, when it is over.
   */
  constructor(
    name: string,
    enter: () => Promise<readonly [Machine, AbortSignal]>,
    keepAwake: () => () => void,
  ) {
    this.#name = name
    this.#enter = enter
    this.#keepAwake = keepAwake
  }

  /**
   * Connects to an address as the guest sees it.
   *
   * @throws Failure: `limit_reached`; `unavailable` when nothing listens there or the machine cannot be had; `timeout`;
   *   `interrupted`; what a start of the machine fails with.
   */
  async connect(address: GuestAddress): Promise<Duplex> {
    const { socket, connected } = await this.dial(address)
    await connected
    return socket
  }

  /** As `connect`, but what tells that the guest has no connection comes later. */
  async dial(address: GuestAddress): Promise<Dialled> {
    const leave = this.#admit()
    try {
      const [machine, era] = await this.#enter()
      const { socket, connected } = machine.agent.ports.dial(address, guestMilliseconds)
      const explained = connected.catch((error: unknown) => {
        throw this.#failure(error, address.port)
      })
      explained.catch(() => undefined)
      return { socket: keep(socket, era, leave), connected: explained }
    } catch (error) {
      leave()
      throw this.#failure(error, address.port)
    }
  }

  /**
   * Listens at an address inside the guest. A restore ends it.
   *
   * @throws Failure as `connect` does; `invalid_request` when the address cannot be listened on.
   */
  async listen(address: GuestAddress, onConnection: ConnectionHandler): Promise<GuestListener> {
    const over = this.#keepAwake()
    try {
      const [machine, era] = await this.#enter()
      const take: ConnectionHandler = (socket, from) => {
        if (this.#connections >= maxConnections) {
          socket.destroy()
          return
        }
        onConnection(keep(socket, era, this.#admit()), from)
      }
      const listener = await machine.agent.ports.listen(address, take, guestMilliseconds)
      const close = () => {
        listener.close()
      }
      era.addEventListener("abort", close, { once: true })
      void listener.ended.then(() => {
        era.removeEventListener("abort", close)
        over()
      })
      if (era.aborted) close()
      return listener
    } catch (error) {
      over()
      throw this.#failure(error, address.port)
    }
  }

  /**
   * Waits until something listens on a port.
   *
   * @param gone Aborts when nobody waits any more.
   * @throws Failure: `timeout`, and as `connect` does.
   */
  async waitForPort(port: number, seconds: number, gone: AbortSignal): Promise<void> {
    const leave = this.#admit()
    try {
      const [machine, era] = await this.#enter()
      await machine.agent.ports.awaitPort(port, seconds * 1000, AbortSignal.any([era, gone]))
    } catch (error) {
      if (error instanceof AgentError && error.code === "not_listening") {
        throw new Failure("timeout", `Nothing listened on port ${port} within ${seconds} s.`)
      }
      throw this.#failure(error, port)
    } finally {
      leave()
    }
  }

  /** Counts a connection. The answer, called once, says that it is over. @throws Failure `limit_reached`. */
  #admit(): () => void {
    if (this.#connections >= maxConnections) {
      throw new Failure(
        "limit_reached",
        `Sandbox "${this.#name}" has ${maxConnections} connections open already: wait for one to end.`,
      )
    }
    this.#connections++
    const over = this.#keepAwake()
    return () => {
      this.#connections--
      over()
    }
  }

  #failure(error: unknown, port: number): Failure {
    if (error instanceof Failure) return error
    if (error instanceof DeadlineError) {
      return new Failure("timeout", `The guest of sandbox "${this.#name}" did not answer in time.`)
    }
    if (!(error instanceof AgentError)) {
      return new Failure("unavailable", `The machine of sandbox "${this.#name}" ended meanwhile; try again.`)
    }
    switch (error.code) {
      case "refused":
        return new Failure(
          "unavailable",
          `Nothing in sandbox "${this.#name}" takes connections to port ${port}: start a server there.`,
        )
      case "bad_request":
        return new Failure("unavailable", "The sandbox's image is older than this server.")
      case "cannot_listen":
        return new Failure("invalid_request", `The guest cannot listen there: ${error.message}`)
      case "too_many_streams":
        return new Failure("limit_reached", `Sandbox "${this.#name}" does too much at a time; try again.`)
      default:
        return new Failure("unavailable", `The guest could not connect: ${error.message}`)
    }
  }
}

/** Ends a connection with the era. @param leave Called when it is over. */
function keep(socket: GuestSocket, era: AbortSignal, leave: () => void): GuestSocket {
  const end = () => {
    socket.destroy(era.reason as Failure)
  }
  era.addEventListener("abort", end, { once: true })
  socket.once("close", () => {
    era.removeEventListener("abort", end)
    leave()
  })
  if (era.aborted) end()
  return socket
}
