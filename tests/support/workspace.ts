import type { Sandbox } from "opensandbox"
import { succeeded } from "./results.js"

/**
 * A shell command that prints one hash over everything in the workspace: paths, types, modes, owners, link targets and
 * contents. The same files always give the same hash.
 */
export const hashCommand =
  // Few programs, and none with a library for cryptography: a machine that has just been started translates all that they
  // are made of.
  "tar -C /workspace --sort=name --mtime=@0 --numeric-owner -cf - . | b2sum -l 256 | cut -c -64"

/** The hash of a sandbox's workspace as it is now. It takes a command, and so a snapshot. */
export async function workspaceHash(sandbox: Sandbox): Promise<string> {
  const { exitCode, stdout, stderr } = succeeded(await sandbox.run(hashCommand))
  if (exitCode !== 0 || !/^[0-9a-f]{64}\n$/.test(stdout)) {
    throw new Error(`the workspace could not be hashed: ${stdout}${stderr}`)
  }
  return stdout.trim()
}
