import { sendContent, type FileChange, type GuestChange, type Machine } from "@opensandbox/vm"
import { endRequest, guestAnswer, guestWork } from "../sandboxes/guest-answer.js"
import { fileFailure } from "./file-failure.js"
import { fileInfo, pathInside } from "./file-info.js"
import type { FileInfo, FileList, FilesChanged, FileService } from "./file-service.js"

/** How long a look at files may take. */
const lookMilliseconds = 60_000

/** How long a change may take: a large directory that is copied takes its time. */
const changeMilliseconds = 30 * 60_000

/** How long the guest may take none of the content that it is sent. */
const stallMilliseconds = 60_000

/** The most entries of a list. */
const maxEntries = 10_000

/** Something done on a sandbox's machine while it is up; a restore aborts `era`. */
type Activity<T> = (machine: Machine, era: AbortSignal) => Promise<T>

/** What a sandbox lets others do beside its commands. */
export interface Activities {
  /** Does what takes no room on the disk. */
  look<T>(activity: Activity<T>): Promise<T>
  /** Does what may take room. @throws Failure `disk_full`, `quota_exceeded`. */
  change<T>(activity: Activity<T>): Promise<T>
  /** Takes the snapshot that follows a change of files; `wrote`: the disk was surely written to. @returns its name. */
  record(machine: Machine, era: AbortSignal, wrote: boolean): Promise<string>
}

/** The files of one sandbox. */
export class SandboxFiles implements FileService {
  readonly #activities: Activities

  constructor(activities: Activities) {
    this.#activities = activities
  }

  stat({ path }: { path: string }): Promise<FileInfo> {
    return this.#look(path, async (machine) =>
      fileInfo(path, await machine.agent.files.stat(path, lookMilliseconds)),
    )
  }

  list({ path, depth }: { path: string; depth: number }): Promise<FileList> {
    return this.#look(path, async (machine) => {
      const bounds = { depth, limit: maxEntries }
      const { entries, truncated } = await machine.agent.files.list(path, bounds, lookMilliseconds)
      return {
        entries: entries.map((entry) => fileInfo(pathInside(path, entry.path), entry.state)),
        truncated,
      }
    })
  }

  read(request: Parameters<FileService["read"]>[0]): Promise<ReadableStream<Uint8Array>> {
    const { path, ...range } = request
    return new Promise((resolve, reject) => {
      const whole = this.#activities.look(async (machine, era) => {
        const opening = machine.agent.files.read(path, range, lookMilliseconds)
        const file = await guestWork(machine, era, opening, () => undefined)
        resolve(file.content)
        await file.over
      })
      whole.catch((error: unknown) => {
        reject(fileFailure(error, path))
      })
    })
  }

  write(
    request: Parameters<FileService["write"]>[0],
    content: ReadableStream<Uint8Array>,
  ): Promise<FilesChanged> {
    const { path, append, mode, owner, snapshot } = request
    const change = { op: "writeFile", path, append, mode: bits(mode), owner, sync: snapshot } as const
    return this.#change(change, path, path, (machine, stream) => send(machine, stream, content)).finally(
      () => {
        // Where it was not read at all nobody else lets go of it.
        if (!content.locked) void content.cancel().catch(() => undefined)
      },
    )
  }

  remove({ path, recursive, snapshot }: Parameters<FileService["remove"]>[0]): Promise<FilesChanged> {
    return this.#change({ op: "remove", path, recursive, sync: snapshot }, path)
  }

  mkdir({ path, mode, owner, snapshot }: Parameters<FileService["mkdir"]>[0]): Promise<FilesChanged> {
    return this.#change({ op: "mkdir", path, mode: bits(mode), owner, sync: snapshot }, path)
  }

  rename({ from, to, overwrite, snapshot }: Parameters<FileService["rename"]>[0]): Promise<FilesChanged> {
    return this.#change({ op: "rename", from, to, overwrite, sync: snapshot }, from, to)
  }

  copy({ from, to, overwrite, snapshot }: Parameters<FileService["copy"]>[0]): Promise<FilesChanged> {
    return this.#change({ op: "copy", from, to, overwrite, sync: snapshot }, from, to)
  }

  setAttributes(request: Parameters<FileService["setAttributes"]>[0]): Promise<FilesChanged> {
    const { path, mode, owner, snapshot } = request
    return this.#change({ op: "setAttributes", path, mode: bits(mode), owner, sync: snapshot }, path)
  }

  async #look<T>(path: string, look: (machine: Machine) => Promise<T>): Promise<T> {
    try {
      return await this.#activities.look((machine, era) =>
        guestWork(machine, era, look(machine), () => undefined),
      )
    } catch (error) {
      throw fileFailure(error, path)
    }
  }

  /** @param send Sends what the request needs besides. */
  async #change(
    request: FileChange,
    path: string,
    target = path,
    send?: (machine: Machine, change: GuestChange) => Promise<void>,
  ): Promise<FilesChanged> {
    try {
      return await this.#activities.change(async (machine, era) => {
        const change = machine.agent.files.change(request)
        const work = async () => {
          await send?.(machine, change)
          return guestAnswer(machine, change, changeMilliseconds)
        }
        const { wrote = false } = await guestWork(machine, era, work(), () => {
          change.cancel()
        })
        return { snapshot: request.sync ? await this.#activities.record(machine, era, wrote) : null }
      })
    } catch (error) {
      throw fileFailure(error, path, target)
    }
  }
}

/** Sends a file's new content. Unless all of it could be sent, the guest is told to forget it. */
async function send(
  machine: Machine,
  change: GuestChange,
  content: ReadableStream<Uint8Array>,
): Promise<void> {
  try {
    await sendContent(change, content, stallMilliseconds)
  } catch (error) {
    await endRequest(machine, change)
    throw error
  }
}

/** The permission bits in octal digits as a number. */
function bits(mode: string | undefined): number | undefined {
  return mode === undefined ? undefined : Number.parseInt(mode, 8)
}
