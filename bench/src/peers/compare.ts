import { join } from "node:path"
import { Client } from "opensandbox"
import { builtImage } from "../built-image.js"
import { describeHost, hostLines, type Host } from "../host.js"
import { rounded } from "../markdown-table.js"
import { writeResult } from "../result-file.js"
import { ServerMetrics } from "../server-metrics.js"
import { Workplace } from "../workplace.js"
import { BtrfsSubvolume } from "./btrfs.js"
import { measurePeer, type PeerResult, type PeerSkipped } from "./comparison.js"
import { DiskCopy } from "./disk-copy.js"
import { expect } from "./expectations.js"
import { ShadowGit } from "./git.js"
import { runProgram } from "./host-program.js"
import { OpenSandbox } from "./opensandbox.js"
import type { Peer } from "./peer.js"
import { peerTable } from "./report.js"
import { SnapshotSave } from "./snapshot-save.js"
import { makeTrace } from "./trace.js"

/** Makes the trace: the same one in each run. */
const seed = 20_261_123

/**
 * Runs the same trace of commands, with a snapshot after each, under this product and under what people use today, one
 * after the other. Writes the result to `bench/results/` and a table to the terminal.
 *
 * @param stepCount How many commands the trace has.
 * @throws Error when something could not be measured; a peer that this host cannot run is only skipped.
 */
export async function comparePeers(stepCount: number): Promise<void> {
  await Workplace.during(async (workplace) => {
    const date = new Date()
    const dataDirectory = await workplace.directory()
    const server = await workplace.startServer({ dataDirectory })
    const client = new Client(workplace.apiKey, server.url)
    const metrics = new ServerMetrics(server.url, workplace.apiKey)
    const host = await describeHost(client)
    console.log(hostLines(host))

    const steps = makeTrace(seed, stepCount)
    const { expectations, bytes } = await expect(seed, steps, await workplace.directory())
    const results: (PeerResult | PeerSkipped)[] = []
    for (const peer of [
      new OpenSandbox({ client, metrics, dataDirectory }),
      ...(await otherPeers(workplace, host)),
    ]) {
      workplace.onClose(() => peer.close())
      console.log(`Measuring ${peer.name}`)
      results.push(await measurePeer(peer, steps, expectations))
      // What one has written does not slow the next one down.
      await runProgram("sync", [])
    }
    console.log(`\n${peerTable(results)}\n\nThe files themselves take ${rounded(bytes / 1e6)} MB in the end.`)
    console.log(await writeResult("peers-", date, { host, seed, stepCount, fileBytes: bytes, results }))
  })
}

async function otherPeers(workplace: Workplace, { accelerator }: Host): Promise<Peer[]> {
  const directory = await workplace.directory()
  const image = await builtImage(join(directory, "images"))
  return [
    new ShadowGit(join(directory, "git")),
    new DiskCopy(join(directory, "copies"), image.blankDisk),
    new SnapshotSave(join(directory, "machine"), image, accelerator === "kvm" ? "kvm" : "tcg"),
    new BtrfsSubvolume(join(directory, "btrfs")),
  ]
}
