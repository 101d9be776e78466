import type { Sandbox } from "opensandbox"
import { succeeded } from "./results.js"

/**
 * A shell command that prints one hash over everything in the workspace: paths, types, modes, owners, link targets and
 * contents. The same files always give the same hash.
 */
export const hashCommand = [
  "cd /workspace && export LC_ALL=C && {",
  String.raw`find . -printf '%P\t%y\t%m\t%U:%G\t%l\0' | sort -z;`,
  "find . -type f -print0 | sort -z | xargs -0r sha256sum;",
  "} | sha256sum | cut -d' ' -f1",
].join(" ")

/** The hash of a sandbox's workspace as it is now. It takes a command, and so a snapshot. */
export async function workspaceHash(sandbox: Sandbox): Promise<string> {
  const { exitCode, stdout, stderr } = succeeded(await sandbox.run(hashCommand))
  if (exitCode !== 0 || !/^[0-9a-f]{64}\n$/.test(stdout)) {
    throw new Error(`the workspace could not be hashed: ${stdout}${stderr}`)
  }
  return stdout.trim()
}
