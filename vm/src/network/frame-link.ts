import type { Socket } from "node:net"

/** Before each frame is its length, as QEMU writes it. */
const lengthBytes = 4

/** The longest frame that QEMU sends. */
const longestFrame = 4096 + 65_536

/** Frames of the guest that are looked at in one interval: enough for any use, and no more of the server's time. */
const framesPerInterval = 100
const intervalMilliseconds = 5

/** Bytes that wait for the guest to take them. What comes on top is lost, and sent again by those who need it. */
const maxQueuedBytes = 4 * 1024 * 1024

/** The line to the machine's network device, on which whole frames travel. */
export class FrameLink {
  readonly #socket: Socket
  #onFrame: (frame: Buffer) => void = () => undefined
  /** What was read and not yet looked at. */
  #rest: Buffer = Buffer.alloc(0)
  #left = framesPerInterval
  #interval: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    // Without the machine there is nobody to tell; whoever owns it notices its end by other means.
    socket.on("error", () => this.close())
    socket.on("data", (data: Buffer) => {
      this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
      this.#takeFrames()
    })
  }

  /** Calls `listener` with each frame of the guest from now on. */
  onFrame(listener: (frame: Buffer) => void): void {
    this.#onFrame = listener
  }

  send(frame: Buffer): void {
    if (this.#socket.destroyed || this.#socket.writableLength > maxQueuedBytes) return
    const length = Buffer.alloc(lengthBytes)
    length.writeUInt32BE(frame.length)
    this.#socket.cork()
    this.#socket.write(length)
    this.#socket.write(frame)
    this.#socket.uncork()
  }

  close(): void {
    clearTimeout(this.#interval)
    this.#socket.destroy()
  }

  #takeFrames(): void {
    while (this.#rest.length >= lengthBytes && !this.#socket.destroyed) {
      const end = lengthBytes + this.#rest.readUInt32BE()
      if (end > lengthBytes + longestFrame) {
        this.close()
        return
      }
      if (this.#rest.length < end) return
      if (this.#left === 0) {
        this.#socket.pause()
        return
      }
      this.#count()
      const frame = this.#rest.subarray(lengthBytes, end)
      this.#rest = this.#rest.subarray(end)
      this.#onFrame(frame)
    }
  }

  #count(): void {
    this.#left -= 1
    this.#interval ??= setTimeout(() => {
      this.#interval = undefined
      this.#left = framesPerInterval
      this.#takeFrames()
      if (this.#left > 0) this.#socket.resume()
    }, intervalMilliseconds)
  }
}
