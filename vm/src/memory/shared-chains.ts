import { MemoryChain } from "./memory-chain.js"
import type { MemoryDirectory } from "./memory-directory.js"
import type { MemoryId } from "./memory.js"

interface Shared {
  readonly chain: Promise<MemoryChain>
  users: number
}

/** Chains of memories, each open for as long as somebody uses it: machines that are made of one instant share it. */
export class SharedChains {
  readonly #directory: MemoryDirectory
  readonly #open = new Map<string, Shared>()

  constructor(directory: MemoryDirectory) {
    this.#directory = directory
  }

  /**
   * Opens a chain, or joins those who have it open.
   *
   * @param memories From the oldest to the newest; at least one.
   * @throws DamagedMemoryError, and what `act` fails with.
   */
  async use<T>(memories: readonly MemoryId[], act: (chain: MemoryChain) => Promise<T>): Promise<T> {
    const name = memories.join()
    const shared = this.#open.get(name) ?? { chain: MemoryChain.open(this.#directory, memories), users: 0 }
    this.#open.set(name, shared)
    shared.users += 1
    try {
      return await act(await shared.chain)
    } finally {
      shared.users -= 1
      if (shared.users === 0) {
        this.#open.delete(name)
        await shared.chain.then(
          (chain) => chain.close(),
          () => undefined,
        )
      }
    }
  }
}
