import type { Failure } from "opensandbox"
import type { Failpoint } from "../../server/src/failpoint/names.js"
import type { PromisedSnapshot } from "./promises.js"
import { box, label, places, type Stage } from "./stage.js"

/** Does something to the stage's sandbox. @returns the answer to its last request. */
type Operation = (stage: Stage) => Promise<{ success: true } | Failure>

/** As many layers as it takes until one is compacted. */
const layersUntilCompaction = 8

/** A machine that was just started may write something by itself for a while: then the next snapshot has a layer. */
const runsUntilRest = 10

/** What can be done. No machine runs before, and the sandbox has a change that is in no snapshot. */
const operations = {
  run: (stage) => stage.run(box, "echo late > late"),

  runWithoutChange: async (stage) => {
    for (let run = 1; run < runsUntilRest; run++) {
      const result = await stage.run(box, "true")
      if (!result.success || (await stage.newestBytes()) === 0) return result
    }
    return stage.run(box, "true")
  },

  runOften: async (stage) => {
    for (let layer = 1; layer < layersUntilCompaction; layer++) {
      const result = await stage.run(box, `echo ${layer} > number`)
      if (!result.success) return result
    }
    return stage.run(box, "echo last > number")
  },

  label: (stage) => takeLabelled(stage, stage.changedHash),

  labelRunning: async (stage) => takeLabelled(stage, await change(stage)),

  labelMachine: (stage) => takeLabelled(stage, stage.changedHash, true),

  labelMachineRunning: async (stage) => takeLabelled(stage, await change(stage), true),

  deleteMachine: async (stage) => {
    await takeLabelled(stage, stage.changedHash, true)
    const left = stage.promises.of(box).slice(0, -1)
    return stage.request([stage.promises.with({ [box]: left })], stage.sandbox(box).deleteSnapshot("late"))
  },

  restoreMachine: async (stage) => {
    await takeLabelled(stage, stage.changedHash, true)
    const back = stage.promises.of(box)
    await stage.run(box, "echo late > late")
    return stage.request([stage.promises.with({ [box]: back })], stage.sandbox(box).restore("late"))
  },

  forkMachine: async (stage) => {
    const forked = [...stage.promises.of(box), { name: undefined, hash: await change(stage) }]
    const effect = stage.promises.with({ fork: forked })
    return stage.request([effect], stage.sandbox(box).fork("fork", { memory: true }))
  },

  fork: async (stage) => {
    const forked = [...stage.promises.of(box), { name: undefined, hash: await change(stage) }]
    return stage.request([stage.promises.with({ fork: forked })], stage.sandbox(box).fork("fork"))
  },

  forkSnapshot: (stage) => {
    const forked = stage.promises.of(box)
    const names = ["one", "two", "three"]
    const forks = stage.promises.with(Object.fromEntries(names.map((name) => [name, forked])))
    return stage.request([forks], stage.server.client().fork(box, names, { snapshot: label }))
  },

  restore: async (stage) => {
    await stage.run(box, "echo late > late")
    const back = stage.promises.of(box).slice(0, places.forked + 1)
    return stage.request([stage.promises.with({ [box]: back })], stage.sandbox(box).restore(nameAt(back, -1)))
  },

  restoreKeeping: async (stage) => {
    const kept = [...stage.promises.of(box), { name: undefined, hash: await change(stage) }]
    const back = kept.slice(0, places.forked + 1)
    return stage.request(
      [stage.promises.with({ "box-kept": kept, [box]: back })],
      stage.sandbox(box).restore(nameAt(back, -1), { keep: true }),
    )
  },

  pause: async (stage) => {
    await change(stage)
    return stage.request([], stage.sandbox(box).pause())
  },

  resume: async (stage) => {
    await change(stage)
    await stage.sandbox(box).pause()
    return stage.request([], stage.sandbox(box).resume())
  },

  delete: (stage) => {
    const left = stage.promises.of(box).toSpliced(places.unshared, 1)
    const name = nameAt(stage.promises.of(box), places.unshared)
    return stage.request([stage.promises.with({ [box]: left })], stage.sandbox(box).deleteSnapshot(name))
  },

  destroy: async (stage) => {
    await stage.run(box, "echo late > late")
    return stage.request([stage.promises.with({ [box]: undefined })], stage.sandbox(box).destroy())
  },

  create: (stage) => {
    const initial = { name: "initial", hash: stage.emptyHash }
    return stage.request([stage.promises.with({ fresh: [initial] })], stage.server.client().create("fresh"))
  },

  import: (stage) => {
    const snapshots = [
      { name: "initial", hash: stage.emptyHash },
      { name: undefined, hash: stage.archivedHash },
    ]
    const effect = stage.promises.with({ moved: snapshots })
    return stage.request([effect], stage.server.client().import("moved", stage.archive))
  },
} satisfies Record<string, Operation>

/** An operation that gets to a step, where something happens. */
export interface Occasion {
  readonly operation: keyof typeof operations
  /** How often it gets there before. */
  readonly nth?: number
  /** Whether the machines die when the server does. */
  readonly machinesDie?: boolean
  /** Left to the long tests: it differs little from others of the same step, or of the step before. */
  readonly thorough?: boolean
}

/** The operations that get to a step. */
export function occasionsOf(failpoint: Failpoint, { thorough }: { thorough: boolean }): readonly Occasion[] {
  return thorough
    ? occasions[failpoint]
    : occasions[failpoint].filter((occasion) => occasion.thorough !== true)
}

const occasions: Readonly<Record<Failpoint, readonly Occasion[]>> = {
  "start.recorded": [{ operation: "run" }],
  "start.machine-started": [{ operation: "run" }, { operation: "run", machinesDie: true, thorough: true }],
  "next.recorded": [{ operation: "run" }],
  "next.made": [{ operation: "run" }, { operation: "run", machinesDie: true, thorough: true }],
  "snapshot.sealed": [{ operation: "run" }, { operation: "run", machinesDie: true }],
  "snapshot.recorded": [{ operation: "run" }, { operation: "run", machinesDie: true, thorough: true }],
  "snapshot.named": [{ operation: "runWithoutChange" }],
  "memory.announced": [
    { operation: "labelMachine" },
    { operation: "forkMachine", machinesDie: true, thorough: true },
  ],
  "memory.written": [
    { operation: "labelMachine" },
    { operation: "labelMachineRunning", machinesDie: true },
    { operation: "forkMachine", thorough: true },
  ],
  "machine-snapshot.recorded": [
    { operation: "labelMachineRunning" },
    { operation: "labelMachine", machinesDie: true, thorough: true },
  ],
  "memory.compressed": [{ operation: "labelMachine" }, { operation: "forkMachine", thorough: true }],
  "memories.file-removed": [{ operation: "deleteMachine" }],
  "present.sealed": [
    { operation: "labelRunning" },
    { operation: "fork", thorough: true },
    { operation: "labelRunning", machinesDie: true, thorough: true },
  ],
  "present.head-made": [{ operation: "label" }],
  "present.recorded": [{ operation: "label", thorough: true }, { operation: "fork" }],
  "present.named": [{ operation: "labelRunning" }],
  "compaction.written": [{ operation: "delete" }],
  "compaction.announced": [{ operation: "delete" }],
  "compaction.replaced": [{ operation: "delete" }, { operation: "runOften", thorough: true }],
  "compaction.recorded": [{ operation: "delete" }, { operation: "runOften", machinesDie: true }],
  "restore.head-made": [{ operation: "restore" }],
  "restore.machine-started": [
    { operation: "restore", thorough: true },
    { operation: "restoreMachine" },
    { operation: "restoreKeeping", machinesDie: true, thorough: true },
  ],
  "restore.recorded": [
    { operation: "restoreKeeping" },
    { operation: "restoreMachine", thorough: true },
    { operation: "forkMachine" },
    { operation: "restore", machinesDie: true },
  ],
  "restore.machine-ending": [{ operation: "restore" }],
  "pause.sealed": [{ operation: "pause" }, { operation: "pause", machinesDie: true }],
  "pause.recorded": [{ operation: "pause" }, { operation: "pause", machinesDie: true, thorough: true }],
  "pause.machine-ended": [{ operation: "pause" }],
  "resume.head-made": [{ operation: "resume" }],
  "resume.machine-started": [
    { operation: "resume" },
    { operation: "resume", machinesDie: true, thorough: true },
  ],
  "resume.recorded": [{ operation: "resume" }, { operation: "resume", machinesDie: true }],
  "fork.head-made": [{ operation: "forkSnapshot", nth: 2 }],
  "fork.recorded": [{ operation: "fork", thorough: true }, { operation: "forkMachine" }],
  "delete.recorded": [{ operation: "delete" }],
  "destroy.recorded": [{ operation: "destroy" }],
  "destroy.machine-ended": [{ operation: "destroy" }],
  "layers.file-removed": [
    { operation: "restore" },
    { operation: "destroy", thorough: true },
    { operation: "delete", thorough: true },
  ],
  "create.head-made": [{ operation: "create" }],
  "create.machine-started": [{ operation: "create" }],
  "create.recorded": [{ operation: "create" }, { operation: "create", machinesDie: true, thorough: true }],
  "import.received": [{ operation: "import" }],
  "import.disk-placed": [{ operation: "import" }],
  "import.head-made": [{ operation: "import" }],
  "import.recorded": [{ operation: "import" }],
}

/** Makes what the operation works on. */
export async function prepare({ operation }: Occasion, stage: Stage): Promise<void> {
  if (operation !== "create" && operation !== "import") await stage.setUp()
}

/** Does it. @returns the answer to its last request. */
export function perform({ operation }: Occasion, stage: Stage): Promise<{ success: true } | Failure> {
  return operations[operation](stage)
}

function change(stage: Stage): Promise<string> {
  return stage.change("echo more >> unrecorded")
}

function takeLabelled(
  stage: Stage,
  hash: string | undefined,
  memory = false,
): Promise<{ success: true } | Failure> {
  const effect = stage.withSnapshot(box, { name: undefined, hash })
  return stage.request([effect], stage.sandbox(box).snapshot("late", { memory }))
}

function nameAt(snapshots: readonly PromisedSnapshot[], place: number): string {
  const name = snapshots.at(place)?.name
  if (name === undefined) throw new Error(`there is no snapshot at ${place}`)
  return name
}
