import type { Activities } from "../files/sandbox-files.js"
import { endRequest, guestAnswer, guestWork } from "../sandboxes/guest-answer.js"
import { sendContent } from "@opensandbox/vm"
import { directoryFailure } from "./directory-failure.js"
import type { DirectoryService, DirectorySize, DirectoryWatch, Unpacked } from "./directory-service.js"

/** How long the guest may take to begin: to pack, or to watch all directories below one. */
const beginMilliseconds = 60_000

/** How long the guest may take to look at all that is in a directory. */
const measureMilliseconds = 60_000

/** How long the guest may take none of an archive that it is sent. */
const stallMilliseconds = 60_000

/** How long the guest may take after an archive's end, to write out what it has in memory. */
const answerMilliseconds = 5 * 60_000

/** The directories of one sandbox. */
export class SandboxDirectories implements DirectoryService {
  readonly #activities: Activities

  constructor(activities: Activities) {
    this.#activities = activities
  }

  pack({ path }: Parameters<DirectoryService["pack"]>[0]): Promise<ReadableStream<Uint8Array>> {
    return new Promise((resolve, reject) => {
      const whole = this.#activities.look(async (machine, era) => {
        const packing = machine.agent.directories.pack(path, beginMilliseconds)
        const { archive, over } = await guestWork(machine, era, packing, () => undefined)
        resolve(archive)
        await over
      })
      whole.catch((error: unknown) => {
        reject(directoryFailure(error, path))
      })
    })
  }

  async measure({ path }: Parameters<DirectoryService["measure"]>[0]): Promise<DirectorySize> {
    try {
      return await this.#activities.look((machine, era) => {
        const measuring = machine.agent.directories.measure(path, measureMilliseconds)
        return guestWork(machine, era, measuring, () => undefined)
      })
    } catch (error) {
      throw directoryFailure(error, path)
    }
  }

  async unpack(
    { path, snapshot }: Parameters<DirectoryService["unpack"]>[0],
    archive: ReadableStream<Uint8Array>,
  ): Promise<Unpacked> {
    try {
      return await this.#activities.change(async (machine, era) => {
        const unpacking = machine.agent.directories.unpack(path, snapshot)
        const work = async () => {
          await sendContent(unpacking, archive, stallMilliseconds).catch(async (error: unknown) => {
            await endRequest(machine, unpacking)
            throw error
          })
          return guestAnswer(machine, unpacking, answerMilliseconds)
        }
        const {
          files,
          bytes,
          wrote = false,
        } = await guestWork(machine, era, work(), () => {
          unpacking.cancel()
        })
        return {
          files,
          bytes,
          snapshot: snapshot ? await this.#activities.record(machine, era, wrote) : null,
        }
      })
    } catch (error) {
      throw directoryFailure(error, path)
    } finally {
      // Where it was not read at all nobody else lets go of it.
      if (!archive.locked) void archive.cancel().catch(() => undefined)
    }
  }

  watch({ path, recursive }: Parameters<DirectoryService["watch"]>[0]): Promise<DirectoryWatch> {
    return new Promise((resolve, reject) => {
      const whole = this.#activities.look(async (machine, era) => {
        const opening = machine.agent.directories.watch(path, recursive, beginMilliseconds)
        const watch = await guestWork(machine, era, opening, () => undefined)
        const close = () => {
          void endRequest(machine, watch)
        }
        resolve({
          tell: (take) =>
            this.#told(whole, path, () => {
              watch.listen(take)
            }),
          close,
        })
        await guestWork(machine, era, watch.done, close)
      })
      whole.catch((error: unknown) => {
        reject(directoryFailure(error, path))
      })
    })
  }

  async #told(whole: Promise<unknown>, path: string, begin: () => void): Promise<void> {
    begin()
    try {
      await whole
    } catch (error) {
      throw directoryFailure(error, path)
    }
  }
}
