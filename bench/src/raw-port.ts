import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { join } from "node:path"

const name = "raw"

/** A machine's second port of the kind that its agent has, with nobody's protocol on it. */
export class RawPort {
  /** Arguments of QEMU for a machine with such a port. */
  static readonly device = [
    ...["-chardev", `socket,id=${name},path=${name},server=on,wait=off`],
    ...["-device", `virtserialport,chardev=${name},name=${name}`],
  ]

  /** What a shell in the guest calls the port. */
  static readonly path = `/dev/$(basename "$(dirname "$(grep -lx ${name} /sys/class/virtio-ports/*/name)")")`

  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** @param directory That of the machine. */
  static async open(directory: string): Promise<RawPort> {
    const socket = connect(join(directory, name))
    await once(socket, "connect")
    return new RawPort(socket.pause())
  }

  /** Reads so many bytes. @returns how long that took from the first one on, in milliseconds. */
  take(bytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let left = bytes
      let start: number | undefined
      const take = (chunk: Uint8Array) => {
        start ??= performance.now()
        left -= chunk.length
        if (left > 0) return
        this.#socket.off("data", take).off("close", fail).pause()
        if (left < 0) reject(new Error("more came through the port than was sent"))
        else resolve(performance.now() - start)
      }
      const fail = () => {
        reject(new Error("the port was closed before all had come"))
      }
      this.#socket.on("data", take).once("close", fail).resume()
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}
