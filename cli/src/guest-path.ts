/** A file in a sandbox, as a command line names it. */
export interface GuestPath {
  sandbox: string
  /** Empty for the workspace itself. */
  path: string
}

/**
 * The parts of `NAME:PATH`; undefined when it is a local path. One that looks like the other can be written with a slash
 * before the colon, as in `./box:file`.
 */
export function parseGuestPath(text: string): GuestPath | undefined {
  const [, sandbox, path] = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(.*)$/s.exec(text) ?? []
  return sandbox === undefined || path === undefined ? undefined : { sandbox, path }
}
