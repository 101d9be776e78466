/** How far the tests go that could go on for ever: random ones, and those of very many snapshots or bytes. */
export interface Sizes {
  timeTravel: {
    /** Random plans, each for a sandbox of its own and what is forked from it. */
    plans: number
    steps: number
  }
  chaos: {
    /** How often the server is killed. */
    kills: number
  }
  faults: {
    /**
     * Whether each step is met on all occasions that lead to it, and each snapshot is gone back to afterwards; or only on
     * those occasions that differ most, with a return to the newest snapshot and to one of the others in turn.
     */
    thorough: boolean
  }
  manySnapshots: {
    /** Small changes of one sandbox, each with a snapshot. */
    changes: number
    /** How many of the snapshots are gone back to, besides the first and the last. */
    visits: number
  }
  retention: {
    /** Snapshots that are taken of one sandbox. */
    taken: number
    /** How many of them it may keep. */
    kept: number
  }
  /** The file that is sent to a sandbox and back. */
  largeFile: {
    pieces: number
    pieceBytes: number
  }
}

/** Those of `npm test`. */
export const shortSizes: Sizes = {
  timeTravel: { plans: 3, steps: 50 },
  chaos: { kills: 10 },
  faults: { thorough: false },
  manySnapshots: { changes: 40, visits: 10 },
  retention: { taken: 30, kept: 6 },
  largeFile: { pieces: 300, pieceBytes: 1_000_000 },
}

/** Those of `npm run test:soak`. */
export const soakSizes: Sizes = {
  timeTravel: { plans: 40, steps: 150 },
  chaos: { kills: 100 },
  faults: { thorough: true },
  manySnapshots: { changes: 1000, visits: 20 },
  retention: { taken: 600, kept: 50 },
  largeFile: { pieces: 4_000, pieceBytes: 1_000_000 },
}

declare module "vitest" {
  interface ProvidedContext {
    sizes: Sizes
  }
}
