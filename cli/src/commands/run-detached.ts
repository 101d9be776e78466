import { conclude, type JsonOption } from "../conclude.js"
import type { Context } from "../context.js"

/** Starts a command in the background, without an input, and prints its number. */
export async function runDetached(
  context: Context,
  name: string,
  command: string,
  options: JsonOption,
): Promise<void> {
  const started = await context.connect().sandbox(name).start(command)
  if (started.success) await started.process.stdin.end()
  const result = started.success ? { success: true as const, pid: started.process.pid } : started
  conclude(context, options, result, ({ pid }) => `${pid}\n`)
}
