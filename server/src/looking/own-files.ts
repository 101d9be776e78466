/** Files that the agent writes at each start of a machine, whole: no change of them is the user's. */
export const ownFiles: ReadonlySet<string> = new Set(["/etc/hostname", "/etc/machine-id"])

/** The file in which it writes but one line. */
export const hostsFile = "/etc/hosts"

/** A larger file is none that the agent writes to. */
export const maxHostsBytes = 64 * 1024

/** That line, with Debian's address for the machine's own name. */
const ownHost = /^127\.0\.1\.1\s.*\n?/m

/** What of {@link hostsFile} is the user's. */
export function hostsOfUser(content: Uint8Array): string {
  return Buffer.from(content).toString("latin1").replace(ownHost, "").trimEnd()
}
