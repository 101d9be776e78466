import { randomBytes } from "node:crypto"
import { z } from "zod"
import type { LayerId } from "../disk/layer.js"
import { QmpError, type QmpClient } from "../qmp/client.js"
import { blankNode, layerNode, sandboxDisk, type ChainLink } from "./command-line.js"
import type { Durability } from "../durability.js"

/** A layer as a machine has it open. */
interface OpenLayer extends ChainLink {
  readonly layer: LayerId
  /** As QEMU has it, which must be told again whenever a node is reopened. */
  readonly readOnly: boolean
}

/** A sealed layer whose file was written anew, to rest further down. */
export interface RewrittenLayer {
  readonly layer: LayerId
  readonly path: string
  /** What it rests on now; null is the blank disk. */
  readonly base: LayerId | null
}

const blockDevices = z.array(
  z.object({
    qdev: z.string().default(""),
    inserted: z.object({ "node-name": z.string() }).optional(),
  }),
)

const namedNodes = z.array(
  z.object({
    "node-name": z.string(),
    file: z.string(),
    ro: z.boolean(),
    cache: z.object({ "no-flush": z.boolean() }),
  }),
)

const blockGraph = z.object({
  nodes: z.array(z.object({ id: z.number(), type: z.string(), name: z.string() })),
  edges: z.array(z.object({ parent: z.number(), child: z.number(), name: z.string() })),
})

const layerNodeName = /^(l[0-9a-f]{16})(-[0-9a-f]{6})?$/

/**
 * The sandbox's disk as a running machine has it open: layers, each resting on the one below, and the blank disk under
 * them all. The last one takes the guest's writes.
 */
export class DiskChain {
  readonly #qmp: QmpClient
  readonly #durability: Durability
  /** From the oldest to the head. */
  readonly #layers: OpenLayer[]
  #next: (ChainLink & { layer: LayerId }) | undefined

  private constructor(qmp: QmpClient, durability: Durability, layers: OpenLayer[]) {
    this.#qmp = qmp
    this.#durability = durability
    this.#layers = layers
  }

  /** The chain that a machine was started with. @param layers From the oldest to the head; at least one. */
  static opened(
    qmp: QmpClient,
    durability: Durability,
    layers: readonly (ChainLink & { node: LayerId })[],
  ): DiskChain {
    const last = layers.length - 1
    const open = layers.map(({ node, path }, at) => ({ layer: node, node, path, readOnly: at < last }))
    return new DiskChain(qmp, durability, open)
  }

  /**
   * Gives a machine another disk than the one that it was started with, which is closed. The guest must have nothing of
   * either mounted.
   *
   * @param placeholder The node of the disk that it has.
   * @param layers From the oldest to the head; at least one. They rest on the blank disk, which the machine has open.
   */
  static async replacing(
    placeholder: string,
    qmp: QmpClient,
    durability: Durability,
    layers: readonly (ChainLink & { node: LayerId })[],
  ): Promise<DiskChain> {
    const head = layers.at(-1)
    if (head === undefined) throw new Error("a disk without layers")
    const sealed = layers.slice(0, -1)
    const below = (at: number) => sealed[at - 1]?.node ?? blankNode
    // The monitor carries commands out one after the other; to wait for each answer would take longer than all of them.
    await Promise.all([
      ...sealed.map((link, at) => qmp.execute("blockdev-add", layerNode(link, below(at), true, durability))),
      qmp.execute("blockdev-add", layerNode(head, null, false, durability)),
      // The device follows from a node to its overlay, and an overlay can be given another backing.
      qmp.execute("blockdev-snapshot", { node: placeholder, overlay: head.node }),
      qmp.execute("blockdev-reopen", {
        options: [layerNode(head, below(sealed.length), false, durability)],
      }),
      qmp.execute("blockdev-del", { "node-name": placeholder }),
    ])
    return DiskChain.opened(qmp, durability, layers)
  }

  /**
   * The chain of a machine that an earlier server left running. What that server had opened beside the chain, for the
   * next snapshot or in the middle of a change, is closed.
   *
   * @throws Error when the machine has no disk of ours, or one that keeps less than `durability` asks for.
   */
  static async found(qmp: QmpClient, durability: Durability): Promise<DiskChain> {
    const devices = blockDevices.parse(await qmp.execute("query-block"))
    const head = devices.find((device) => device.qdev.includes(sandboxDisk))?.inserted?.["node-name"]
    const nodes = namedNodes.parse(await qmp.execute("query-named-block-nodes", { flat: true }))
    const graph = blockGraph.parse(await qmp.execute("x-debug-query-block-graph"))
    const byName = new Map(nodes.map((node) => [node["node-name"], node]))
    const layers: OpenLayer[] = []
    for (let name = head; name !== undefined && name !== blankNode; name = backingOf(graph, name)) {
      const [, layer] = layerNodeName.exec(name) ?? []
      const node = byName.get(name)
      if (layer === undefined || node === undefined) throw new Error(`its disk has a node "${name}"`)
      if (durability === "disk" && node.cache["no-flush"])
        throw new Error("it was started without the durability that is asked for now")
      layers.unshift({ layer, node: name, path: node.file, readOnly: node.ro })
    }
    if (layers.length === 0) throw new Error("it has no disk")
    const chain = new DiskChain(qmp, durability, layers)
    await chain.#close(nodes.map((node) => node["node-name"]).filter((name) => layerNodeName.test(name)))
    return chain
  }

  /** The layer that takes the guest's writes. */
  get head(): LayerId {
    return this.#top.layer
  }

  /** How many layers there are, the head included. */
  get depth(): number {
    return this.#layers.length
  }

  /** Whether a layer is ready for the next `seal`. */
  get prepared(): boolean {
    return this.#next !== undefined
  }

  /** Opens an empty layer ahead of time. It stands beside the chain, resting on nothing, until it is sealed on to. */
  async prepare(layer: LayerId, path: string): Promise<void> {
    await this.#qmp.execute("blockdev-add", layerNode({ node: layer, path }, null, false, this.#durability))
    this.#next = { layer, node: layer, path }
  }

  /**
   * Seals the head: from one point in time on the guest writes to the prepared layer, and the old head never changes
   * again. The guest is not paused.
   *
   * @returns the layer that was sealed.
   * @throws Error when no layer was prepared.
   */
  async seal(): Promise<LayerId> {
    const next = this.#next
    if (next === undefined) throw new Error("no layer was prepared")
    const sealed = this.#top
    await this.#qmp.execute("blockdev-snapshot", { node: sealed.node, overlay: next.node })
    // QEMU reopens what it has made a backing file read-only.
    this.#layers.splice(-1, 1, { ...sealed, readOnly: true }, { ...next, readOnly: false })
    this.#next = undefined
    return sealed.layer
  }

  /**
   * Takes a sealed layer's new file in the place of the old one, and closes those between it and its base. The guest
   * reads the same before and after. Does nothing when the chain holds no such layer and base.
   */
  async rebase({ layer, path, base }: RewrittenLayer): Promise<void> {
    const at = this.#layers.findIndex((open) => open.layer === layer)
    const baseAt = base === null ? -1 : this.#layers.findIndex((open) => open.layer === base)
    if (at < 0 || at === this.#layers.length - 1 || (base !== null && (baseAt < 0 || baseAt >= at))) return
    // Both files are open for a moment, and two nodes cannot have one name.
    const fresh = { layer, node: `${layer}-${randomBytes(3).toString("hex")}`, path, readOnly: true }
    const below = this.#layers[baseAt]?.node ?? blankNode
    await this.#qmp.execute("blockdev-add", layerNode(fresh, below, true, this.#durability))
    const replaced = this.#layers.slice(baseAt + 1, at + 1)
    try {
      // The head may have been sealed meanwhile, so what rests on the layer is looked up now.
      const above = this.#layers[at + 1]
      if (above === undefined) throw new Error("nothing rests on the layer")
      const reopened = layerNode(above, fresh.node, above.readOnly, this.#durability)
      await this.#qmp.execute("blockdev-reopen", { options: [reopened] })
    } catch (error) {
      await this.#qmp.execute("blockdev-del", { "node-name": fresh.node })
      throw error
    }
    this.#layers.splice(baseAt + 1, replaced.length, fresh)
    for (const { node } of replaced.toReversed())
      await this.#qmp.execute("blockdev-del", { "node-name": node })
  }

  get #top(): OpenLayer {
    const top = this.#layers.at(-1)
    if (top === undefined) throw new Error("a disk without layers")
    return top
  }

  /** Closes nodes that are not in the chain. One that another rests on cannot go before that one. */
  async #close(names: readonly string[]): Promise<void> {
    const chain = new Set(this.#layers.map(({ node }) => node))
    let left = names.filter((name) => !chain.has(name))
    for (let before = left.length + 1; left.length < before;) {
      before = left.length
      const stuck: string[] = []
      for (const node of left) {
        await this.#qmp.execute("blockdev-del", { "node-name": node }).catch((error: unknown) => {
          if (!(error instanceof QmpError)) throw error
          stuck.push(node)
        })
      }
      left = stuck
    }
  }
}

function backingOf(graph: z.infer<typeof blockGraph>, name: string): string | undefined {
  const id = graph.nodes.find((node) => node.name === name)?.id
  const edge = graph.edges.find((edge) => edge.parent === id && edge.name === "backing")
  return graph.nodes.find((node) => node.id === edge?.child)?.name
}
