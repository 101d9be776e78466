/**
 * The steps between two of which a test stops the server or takes the disk's last room, in the order of each operation.
 * `failpoint` is called with each of them where that step is done.
 */
export const failpoints = [
  "start.recorded",
  "start.machine-started",
  "next.recorded",
  "next.made",
  "snapshot.sealed",
  "snapshot.recorded",
  "snapshot.named",
  "present.sealed",
  "present.head-made",
  "present.recorded",
  "present.named",
  "compaction.written",
  "compaction.announced",
  "compaction.replaced",
  "compaction.recorded",
  "restore.head-made",
  "restore.machine-started",
  "restore.recorded",
  "restore.machine-ending",
  "fork.head-made",
  "fork.recorded",
  "delete.recorded",
  "destroy.recorded",
  "destroy.machine-ended",
  "layers.file-removed",
  "create.head-made",
  "create.machine-started",
  "create.recorded",
  "import.received",
  "import.disk-placed",
  "import.head-made",
  "import.recorded",
] as const

/** A step's name: the operation, and what it has just done. */
export type Failpoint = (typeof failpoints)[number]
