import { contentHash } from "./content.js"
import { Unavailable, type Peer } from "./peer.js"
import type { Step, StepKind } from "./trace.js"

/** What was measured of one peer. Times are in milliseconds. */
export interface PeerResult {
  readonly name: string
  readonly about: string
  /** Of each step's snapshot, in the order of the trace. */
  readonly snapshots: readonly { readonly kind: StepKind; readonly milliseconds: number }[]
  readonly restores: readonly Restored[]
  /** What the place and all its snapshots take on the disk after the last step. */
  readonly bytes: number
}

interface Restored {
  readonly milliseconds: number
  /** From the restore's call until a first, trivial command has ended. */
  readonly withFirstCommand: number
}

/** A peer that this host cannot run. */
export interface PeerSkipped {
  readonly name: string
  readonly about: string
  readonly unavailable: string
}

/** What a place has to hold after some of a trace's steps: by the number of the step, a hash of the content. */
export type Expectations = ReadonlyMap<number, string>

/**
 * Runs a trace on a peer with a snapshot after each step, then restores the snapshots of those steps for which there is
 * an expectation, and holds the content against it.
 *
 * @throws Error when a step fails or a restore brings back something else.
 */
export async function measurePeer(
  peer: Peer,
  steps: readonly Step[],
  expectations: Expectations,
): Promise<PeerResult | PeerSkipped> {
  const { name, about } = peer
  try {
    await peer.prepare()
    const { snapshots, kept } = await takeSnapshots(peer, steps, expectations)
    const bytes = await peer.bytes()
    const restores: Restored[] = []
    for (const [step, snapshot] of kept.toReversed()) {
      restores.push(await restore(peer, snapshot, expectations.get(step) ?? ""))
    }
    return { name, about, snapshots, restores, bytes }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw new Error(`${name}: ${String(error)}`, { cause: error })
    return { name, about, unavailable: error.message }
  } finally {
    await peer.close()
  }
}

async function takeSnapshots(
  peer: Peer,
  steps: readonly Step[],
  expectations: Expectations,
): Promise<{ snapshots: PeerResult["snapshots"]; kept: (readonly [step: number, snapshot: string])[] }> {
  const snapshots: PeerResult["snapshots"][number][] = []
  const kept: (readonly [number, string])[] = []
  let unneeded: string | undefined
  for (const [number, { kind, command }] of steps.entries()) {
    await peer.step(command)
    const start = performance.now()
    const snapshot = await peer.snapshot()
    snapshots.push({ kind, milliseconds: performance.now() - start })
    // Only now: what the step changed was still held by the snapshot before it, and takes room for that.
    if (unneeded !== undefined) await peer.forget?.(unneeded)
    if (expectations.has(number)) kept.push([number, snapshot])
    unneeded = expectations.has(number) ? undefined : snapshot
  }
  return { snapshots, kept }
}

async function restore(peer: Peer, snapshot: string, expected: string): Promise<Restored> {
  const start = performance.now()
  await peer.restore(snapshot)
  const milliseconds = performance.now() - start
  await peer.step("true")
  const withFirstCommand = performance.now() - start
  const content = (await peer.step(contentHash)).trim()
  if (content !== expected) throw new Error(`the restore of ${snapshot} did not bring its content back`)
  return { milliseconds, withFirstCommand }
}
