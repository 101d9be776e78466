import type { PseudoTtyInfo, WindowChangeInfo } from "ssh2"
import type { Terminal } from "../sandboxes/sandbox-service.js"

const largestSide = 10_000

/** A client's terminal, with nothing in it that a sane one would not say. */
export function terminalOf(info: PseudoTtyInfo): Terminal {
  return { ...windowSize(info), term: /^[\w.+-]{1,64}$/.test(info.term) ? info.term : "xterm" }
}

/** Clients without a real terminal say 0 by 0. */
export function windowSize({ cols, rows }: WindowChangeInfo): { cols: number; rows: number } {
  return { cols: clamp(cols, 80), rows: clamp(rows, 24) }
}

function clamp(side: number, usual: number): number {
  return side === 0 ? usual : Math.min(side, largestSide)
}
