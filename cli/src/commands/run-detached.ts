import type { StartOptions } from "opensandbox"
import { conclude, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"

/** Starts a command in the background, without an input, and prints its number. */
export async function runDetached(
  context: Context,
  name: string,
  command: string,
  { json, ...options }: JsonOption & Pick<StartOptions, "cwd" | "user" | "env">,
): Promise<void> {
  const started = await context.connect().sandbox(name).start(command, options)
  if (started.success) await started.process.stdin.end()
  const result = started.success ? { success: true as const, pid: started.process.pid } : started
  conclude(context, json === true ? { json } : {}, result, ({ pid }) => `${pid}\n`)
}
