import { runCommand } from "./command.js"

const format = "$(CREATED_BY)|$(COMPONENT)|$(ORIGIN)|$(LABEL)|$(RELEASE)|$(REPO_URI)"

/**
 * The archive of Debian itself among what `apt-get indextargets` lists in {@link format}, or undefined.
 * Security, updates, backports and other vendors' archives are passed over. An archive whose lists were never
 * fetched has no origin yet; then its address must look like Debian's.
 */
export function chooseMirror(indexTargets: string): string | undefined {
  for (const line of indexTargets.split("\n")) {
    const [createdBy, component, origin, label, release, uri] = line.split("|")
    if (createdBy !== "Packages" || component !== "main" || !release || !uri) continue
    if (/-(security|updates|backports|proposed)/.test(release) || !/^(https?|file):/.test(uri)) continue
    // apt leaves the placeholder of a field that it does not know.
    const unknown = !origin || origin.startsWith("$(")
    if (unknown ? /\/debian\/?$/.test(uri) : origin === "Debian" && label === "Debian") return uri
  }
  return undefined
}

/** The Debian archive that this host's apt uses, or undefined when it uses none (then a default must do). */
export async function findMirror(): Promise<string | undefined> {
  return chooseMirror(await runCommand("apt-get", ["indextargets", "--format", format], { minutes: 1 }))
}
