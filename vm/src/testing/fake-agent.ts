import type { Socket } from "node:net"
import { encodeFrame, FrameDecoder, type Frame } from "../agent/frame.js"
import { poll } from "../deadline.js"

/** How long anything that a test waits for may take, in milliseconds. */
export const patience = 10_000

/** A regular file, as the agent tells of it, with numbers that only text can hold. */
export const fileState = {
  type: "f",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 5,
  mtimeNs: "-1",
  ctimeNs: "15032385535000999999",
  ino: "18446744073709551615",
}

/** The guest's end of a connection. It answers hellos and nothing else. */
export class FakeAgent {
  socket: Socket | undefined
  /** What came since it was greeted. */
  readonly received: Frame[] = []
  /** Sent before the welcome. */
  leftovers: Uint8Array = new Uint8Array()
  protocol = 1
  /** How many hellos are not answered. */
  deafTo = 0
  readonly #decoder = new FrameDecoder()
  #greeted = false

  attach(socket: Socket): void {
    this.socket = socket
    socket.on("error", () => undefined)
    let before = Buffer.alloc(0)
    socket.on("data", (bytes: Buffer) => {
      if (this.#greeted) {
        this.received.push(...this.#decoder.push(bytes))
        return
      }
      before = Buffer.concat([before, bytes])
      for (let at = before.indexOf('{"nonce'); at >= 0; at = before.indexOf('{"nonce', at + 1)) {
        const { nonce } = JSON.parse(before.toString("utf8", at, before.indexOf("}", at) + 1)) as {
          nonce: string
        }
        if (this.deafTo-- > 0) {
          before = Buffer.alloc(0)
          return
        }
        this.#greeted = true
        socket.write(this.leftovers)
        this.welcome(nonce)
      }
    })
  }

  welcome(nonce: string): void {
    this.json("WELCOME", 0, {
      nonce,
      protocol: this.protocol,
      agentVersion: "9",
      ready: true,
    })
  }

  json(type: "WELCOME" | "RESPONSE", stream: number, message: object): void {
    this.send(encodeFrame(type, stream, Buffer.from(JSON.stringify(message))))
  }

  send(bytes: Uint8Array): void {
    this.socket?.write(bytes)
  }

  /** Waits for a frame of that type from the host, `index` counting from the first. */
  frame(type: Frame["type"], index = 0): Promise<Frame> {
    return poll(
      patience,
      `a ${type} frame`,
      () => this.received.filter((frame) => frame.type === type)[index],
    )
  }

  /** Waits for what the host asks for in such a frame. */
  async request(index = 0): Promise<unknown> {
    return JSON.parse(Buffer.from((await this.frame("REQUEST", index)).payload).toString())
  }
}
