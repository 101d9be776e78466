import { connect, type Socket } from "node:net"
import { poll } from "./deadline.js"

/** The longest path that a socket address holds on every system that we run on (Linux: 108 bytes with the final zero). */
export const longestSocketPath = 103

const notThereYet = new Set(["ENOENT", "ECONNREFUSED"])

/**
 * Connects to a Unix socket that another process may still be about to open.
 *
 * @param gone Says whether that process has ended, so that nobody waits for it in vain.
 * @throws DeadlineError when nobody listened in time; the system's error for anything but "not there yet".
 */
export async function connectWhenReady(
  path: string,
  milliseconds: number,
  gone: () => boolean = () => false,
): Promise<Socket> {
  return poll(milliseconds, `a listener on ${path}`, async () => {
    if (gone()) throw new Error(`the process that should listen on ${path} has ended`)
    return attempt(path)
  })
}

function attempt(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.removeAllListeners("error")
      resolve(socket)
    })
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (notThereYet.has(error.code ?? "")) resolve(undefined)
      else reject(error)
    })
  })
}
