/**
 * What an acknowledged snapshot survives. `process`: the death of every process, since it is in the host's page cache.
 * `disk`: a loss of power as well, since layer, directory and database were written to the disk first.
 */
export type Durability = "process" | "disk"
