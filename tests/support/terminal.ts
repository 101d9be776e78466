import { spawn } from "node:child_process"
import { once } from "node:events"
import { eventually } from "./eventually.js"
import { repository } from "./repository.js"

const deadlineMs = 60_000

/** A program on the host, in a terminal that a test types at. */
interface InTerminal {
  type(keys: string): void
  /** Waits until the last that it printed matches. */
  prints(pattern: RegExp): Promise<void>
  ended(): Promise<{ code: number | null; printed: string }>
}

/**
 * Runs a program in a terminal of its own.
 *
 * @param options.size What `stty` sets before, as in `rows 24 cols 80`.
 */
export function inTerminal(
  command: readonly string[],
  options: { size: string; env?: Record<string, string> },
): InTerminal {
  const line = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ")
  const child = spawn("script", ["-qec", `stty ${options.size}; exec ${line}`, "/dev/null"], {
    cwd: repository,
    env: { ...process.env, ...options.env, TERM: "xterm-256color", SHELL: "/bin/bash" },
    // Its input stays open: at its end `script` would type a character.
    stdio: ["pipe", "pipe", "inherit"],
    timeout: deadlineMs,
  })
  let printed = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text))
  const exit = once(child, "close") as Promise<[number | null]>
  return {
    type: (keys) => child.stdin.write(keys),
    prints: async (pattern) => {
      await eventually(
        `${String(pattern)} in the terminal`,
        deadlineMs,
        () => pattern.test(printed) || undefined,
      )
    },
    ended: async () => {
      const [code] = await exit
      return { code, printed }
    },
  }
}
