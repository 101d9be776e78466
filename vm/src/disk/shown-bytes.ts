import { basename } from "node:path"
import { execa } from "execa"

/** The tables of a chain are read in well under a second; a disk that does not answer for this long is broken. */
const mapMilliseconds = 30_000

/** A stretch of the disk that one of the files holds: where, how long, where in the file, and the file's path. */
const stretch = /^\S+ +(0x[0-9a-f]+) +\S+ +(.+)$/

/**
 * How many bytes of each file of a chain of qcow2 files can still be seen: the others were written over, or discarded,
 * further up.
 *
 * @param top The chain's topmost file. None may be open for writing.
 * @returns the bytes by file name. Files of which nothing is to be seen are left out.
 */
export async function shownBytes(top: string, cancelled: AbortSignal): Promise<Map<string, number>> {
  const shown = new Map<string, number>()
  // Line by line, since a disk in many pieces gives very many.
  const lines = execa("nice", ["-n", "19", "qemu-img", "map", "-f", "qcow2", top], {
    stdin: "ignore",
    buffer: false,
    timeout: mapMilliseconds,
    cancelSignal: cancelled,
  })
  for await (const line of lines) {
    const [, length, path] = stretch.exec(line) ?? []
    if (length === undefined || path === undefined) continue
    const name = basename(path)
    shown.set(name, (shown.get(name) ?? 0) + Number(length))
  }
  return shown
}
