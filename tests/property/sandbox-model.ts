import type { FileTree } from "./file-tree.js"

/** A snapshot that a sandbox should have, and the files that it should hold. */
export interface ModelSnapshot {
  readonly name: string
  readonly label: string | null
  readonly tree: FileTree
  /** What the machine had in memory; null for a snapshot of the disk alone. */
  readonly mark: string | null
}

/** What a sandbox should be: its files now, what is in its memory, and its snapshots from the oldest to the newest. */
export class SandboxModel {
  tree: FileTree
  /** What its machine has in memory; empty for one that was started anew. */
  mark = ""
  #snapshots: readonly ModelSnapshot[]
  #keepLast: number | null = null

  private constructor(tree: FileTree, snapshots: readonly ModelSnapshot[]) {
    this.tree = tree
    this.#snapshots = snapshots
  }

  /** A sandbox that was just created. */
  static new(): SandboxModel {
    const tree: FileTree = new Map()
    return new SandboxModel(tree, [{ name: "initial", label: null, tree, mark: null }])
  }

  get snapshots(): readonly ModelSnapshot[] {
    return this.#snapshots
  }

  get newest(): ModelSnapshot {
    return this.at(this.#snapshots.length - 1)
  }

  at(place: number): ModelSnapshot {
    const snapshot = this.#snapshots[place]
    if (snapshot === undefined) throw new Error(`the model has no snapshot ${place}`)
    return snapshot
  }

  hasLabel(label: string): boolean {
    return this.#snapshots.some((snapshot) => snapshot.label === label)
  }

  /** A snapshot of the present was taken. @param memory Whether of the whole machine. */
  took(name: string, label: string | null = null, memory = false): void {
    const mark = memory ? this.mark : null
    this.#snapshots = [...this.#snapshots, { name, label, tree: this.tree, mark }]
    this.#forgetExpired()
  }

  /** Those after it are gone. */
  wentBackTo(place: number): void {
    this.tree = this.at(place).tree
    this.mark = this.at(place).mark ?? ""
    this.#snapshots = this.#snapshots.slice(0, place + 1)
  }

  deleted(place: number): void {
    this.#snapshots = this.#snapshots.toSpliced(place, 1)
  }

  /** Only so many snapshots are kept from now on; null is all. */
  keepsLast(count: number | null): void {
    this.#keepLast = count
    this.#forgetExpired()
  }

  /** A fork of the present. */
  fork(): SandboxModel {
    return new SandboxModel(this.tree, this.#snapshots)
  }

  /** A fork of a snapshot. */
  forkAt(place: number): SandboxModel {
    return new SandboxModel(this.at(place).tree, this.#snapshots.slice(0, place + 1))
  }

  /** A fork that has the limits too. */
  copy(): SandboxModel {
    const copy = this.fork()
    copy.#keepLast = this.#keepLast
    return copy
  }

  #forgetExpired(): void {
    if (this.#keepLast === null) return
    const { newest } = this
    const expendable = this.#snapshots.filter(({ name, label }) => name !== "initial" && label === null)
    const expired = new Set(expendable.slice(0, Math.max(0, expendable.length - this.#keepLast)))
    this.#snapshots = this.#snapshots.filter((snapshot) => snapshot === newest || !expired.has(snapshot))
  }
}
