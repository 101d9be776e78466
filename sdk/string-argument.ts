/** The argument, when it is a string. @throws TypeError otherwise: the calling code is wrong, not the server. */
export function stringArgument(name: string, value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`${name} must be a string, not ${typeof value}`)
  return value
}
