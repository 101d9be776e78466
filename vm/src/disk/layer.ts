import { randomBytes } from "node:crypto"

/** Names a layer: also its file's name and its node in QEMU's block graph, which allows 31 characters. */
export type LayerId = string

const pattern = /^l[0-9a-f]{16}$/

export function newLayerId(): LayerId {
  return `l${randomBytes(8).toString("hex")}`
}

export function isLayerId(text: string): boolean {
  return pattern.test(text)
}
