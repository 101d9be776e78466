import { CommandError } from "./command.js"

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

const explanations: Explanation[] = [
  {
    sign: /No space left on device/,
    advice: ({ cacheDirectory }) =>
      `The disk is full. Building takes 3 GB in ${cacheDirectory} (OPENSANDBOX_CACHE_DIR sets another place) ` +
      `and 2 GB in ${process.env["TMPDIR"] ?? "/var/tmp"} (TMPDIR sets another).`,
  },
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
