import { MemoryShortageError } from "@opensandbox/vm"
import { Failure } from "../failure.js"

/** How a full disk says so: the file system, SQLite, and QEMU's tools. */
const fullDisk = /ENOSPC|EDQUOT|SQLITE_FULL|No space left|Disk quota exceeded/

/** How many causes of an error are looked at. */
const maxDepth = 10

/** What a caller may know of an error of the machine or the disk. The rest of it belongs into the log. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof MemoryShortageError) return outOfMemory(error)
  if (causes(error).some((cause) => fullDisk.test(`${cause.message} ${String(cause.code)}`)))
    return diskFull()
  return new Failure(
    "unavailable",
    "The sandbox's machine or disk failed; the server's log says why. Try again.",
  )
}

export function diskFull(): Failure {
  return new Failure(
    "disk_full",
    "The server's disk is full: make room in its data directory and try again. Every earlier snapshot is unharmed.",
  )
}

function outOfMemory({ neededMiB, missingMiB }: MemoryShortageError): Failure {
  return new Failure(
    "unavailable",
    `The server has too little memory for another machine: it takes ${neededMiB} MiB, and ${missingMiB} MiB of them are ` +
      "missing. Destroy a sandbox, or raise OPENSANDBOX_MEMORY_MB. Nothing that runs is affected.",
  )
}

function causes(error: unknown): (Error & { code?: unknown })[] {
  const found: Error[] = []
  for (let at = error; at instanceof Error && found.length < maxDepth; at = at.cause) found.push(at)
  return found
}
