import { connectWhenReady } from "../unix-socket.js"
import { FrameLink } from "./frame-link.js"
import { Gateway } from "./gateway.js"
import { hostLookup } from "./name-service.js"
import type { NetworkPolicy } from "./network-policy.js"
import { Reach } from "./reach.js"

/** How long QEMU may take to listen. */
const connectMilliseconds = 10_000

/** The network of one running machine, for as long as this server has the machine. */
export class GuestNetwork {
  readonly #close: () => void

  private constructor(close: () => void) {
    this.#close = close
  }

  /**
   * Gives a machine its network.
   *
   * @param socketPath Where QEMU listens for whoever is at the other end of the machine's network device.
   * @param gone Whether that process has ended.
   * @throws DeadlineError when it does not listen.
   */
  static async open(socketPath: string, policy: NetworkPolicy, gone: () => boolean): Promise<GuestNetwork> {
    const link = new FrameLink(await connectWhenReady(socketPath, connectMilliseconds, gone))
    const { lookup, cancel } = hostLookup()
    const gateway = new Gateway({ reach: new Reach(policy), lookup, send: (frame) => link.send(frame) })
    link.onFrame((frame) => gateway.receive(frame))
    return new GuestNetwork(() => {
      gateway.close()
      cancel()
      link.close()
    })
  }

  /** Ends all connections of the guest. */
  close(): void {
    this.#close()
  }
}
