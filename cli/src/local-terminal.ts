/** The terminal that a person sits at. */
export interface LocalTerminal {
  size: () => { cols: number; rows: number }
  /** Calls back whenever its size has changed; the answer ends that. */
  onResize: (listener: () => void) => () => void
  /** Hands over all that is typed, as it is typed, Ctrl-C as well; the answer ends that. */
  takeKeys: (listener: (bytes: Uint8Array) => void) => () => void
}

/** The terminal behind the standard input and output. Only for where both are one. */
export const localTerminal: LocalTerminal = {
  size: () => ({ cols: Math.max(1, process.stdout.columns), rows: Math.max(1, process.stdout.rows) }),
  onResize: (listener) => {
    process.stdout.on("resize", listener)
    return () => process.stdout.off("resize", listener)
  },
  takeKeys: (listener) => {
    const { stdin } = process
    stdin.setRawMode(true)
    stdin.on("data", listener)
    return () => {
      stdin.off("data", listener)
      stdin.setRawMode(false)
      stdin.pause()
    }
  },
}
