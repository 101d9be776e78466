import { statfs } from "node:fs/promises"
import { scratchDirectory, type CommandError } from "./command.js"

/** An image cannot be built here; the message says why and what to do about it. */
export class BuildError extends Error {
  override readonly name = "BuildError"
}

export interface BuildPlace {
  cacheDirectory: string
  user: string
}

interface Explanation {
  sign: RegExp
  advice: (place: BuildPlace) => string
}

/** Bytes that a build takes for a while in the cache, and in the directory for temporary files. */
const cacheBytes = 3e9
const scratchBytes = 2e9

function roomAdvice(cacheDirectory: string): string {
  return (
    `The disk is full. Building takes ${cacheBytes / 1e9} GB in ${cacheDirectory} (OPENSANDBOX_CACHE_DIR sets ` +
    `another place) and ${scratchBytes / 1e9} GB in ${scratchDirectory()} (TMPDIR sets another).`
  )
}

/** Fails before anything is fetched where the build would not fit. */
export async function requireRoom(cacheDirectory: string): Promise<void> {
  const [cache, scratch] = await Promise.all([freeBytes(cacheDirectory), freeBytes(scratchDirectory())])
  if (cache < cacheBytes || scratch < scratchBytes) throw new BuildError(roomAdvice(cacheDirectory))
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

const explanations: Explanation[] = [
  { sign: /No space left on device/, advice: ({ cacheDirectory }) => roomAdvice(cacheDirectory) },
  {
    sign: /not root and no subuid|\/etc\/sub[ug]id|newuidmap|newgidmap|failed to find.*sub[ug]id/i,
    advice: ({ user }) =>
      `The user ${user} has no range of subordinate user ids. As root, run:\n` +
      `  apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
  },
  {
    sign: /unshare.*(not permitted|denied)|unprivileged_userns|uid_map/i,
    advice: () =>
      "This host does not let an ordinary user make a user namespace. Build as root, or allow it. As root, run:\n" +
      "  sysctl -w kernel.unprivileged_userns_clone=1 || sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  },
  {
    sign: /Could not resolve|Could not connect|Unable to connect|Connection (failed|refused|timed out)|timed out/i,
    advice: () =>
      "The Debian mirror cannot be reached. Check the network (`apt-get update` must work), or set a reachable " +
      "mirror in /etc/apt/sources.list, and try again.",
  },
]

/** What a failed program of the build means for the person who started it. */
export function explain(error: CommandError, place: BuildPlace): BuildError {
  const known = explanations.find(({ sign }) => sign.test(error.output) || sign.test(error.message))
  const lastLines = error.output.trim().split("\n").slice(-15).join("\n")
  return new BuildError([error.message, lastLines, known?.advice(place)].filter(Boolean).join("\n"), {
    cause: error,
  })
}

/** Whether a bootstrap failed because the mirror, or this host's keyring, does not know the release. */
export function suiteIsMissing({ output }: CommandError): boolean {
  return /does not have a Release file|NO_PUBKEY|signatures couldn't be verified/.test(output)
}
