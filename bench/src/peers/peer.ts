/** One way to keep snapshots of a place where commands run. Its methods are called one at a time, `prepare` first. */
export interface Peer {
  readonly name: string
  /** Where the commands run, what a snapshot holds and what a restore does: what the numbers have to be read with. */
  readonly about: string
  /** @throws Unavailable when this host cannot do it. */
  prepare(): Promise<void>
  /**
   * Runs a command of bash in the place's directory, without a snapshot.
   *
   * @returns its output.
   * @throws Error when it does not end with 0.
   */
  step(command: string): Promise<string>
  /** Keeps the place as it is now. @returns what `restore` calls it. */
  snapshot(): Promise<string>
  /** Brings the place back, ready for commands. Called from newer snapshots to older ones. */
  restore(snapshot: string): Promise<void>
  /**
   * Throws away a snapshot that is not the newest, where all of them would fill the disk. `bytes` counts it all the
   * same.
   */
  forget?(snapshot: string): Promise<void>
  /** What the place and all its snapshots take on the disk, in bytes. */
  bytes(): Promise<number>
  /** Removes everything. It may be called again, or at any time when the run is broken off. */
  close(): Promise<void>
}

/** This host cannot run a peer. The message says why, for the table. */
export class Unavailable extends Error {
  override name = "Unavailable"
}
