import type { Failure } from "opensandbox"
import { conclude, type JsonOption } from "./conclude.js"
import type { Context } from "./context.js"
import { keyHints } from "./hints.js"
import type { Keyring, KeyringFailure } from "./server-package.js"

export interface KeyOptions extends JsonOption {
  dataDir: string
}

/** Works on the keys in a data directory, prints the result and closes them again. */
export async function withKeyring<Result extends object>(
  context: Context,
  options: KeyOptions,
  work: (keyring: Keyring) => Promise<Result>,
  show: (result: Result) => string,
): Promise<void> {
  const keyring = await (await context.loadServer()).openKeyring(options.dataDir)
  try {
    const result = await work(keyring)
    conclude(context, options, { ...result, success: true as const }, show)
  } catch (error) {
    if (!isKeyringFailure(error)) throw error
    const failure: Failure = { success: false, error: error.message, code: error.code }
    conclude(context, options, failure, () => "", keyHints)
  } finally {
    await keyring.close()
  }
}

function isKeyringFailure(error: unknown): error is KeyringFailure {
  return error instanceof Error && error.name === "Failure" && "code" in error
}
