/** The first `major.minor` in a text; undefined when there is none. */
function versionIn(text: string): { major: number; minor: number } | undefined {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text) ?? []
  return major === undefined || minor === undefined
    ? undefined
    : { major: Number(major), minor: Number(minor) }
}

/** Whether a version's text names this version or a later one. */
export function isAtLeast(text: string, major: number, minor: number): boolean {
  const version = versionIn(text)
  return (
    version !== undefined && (version.major > major || (version.major === major && version.minor >= minor))
  )
}
