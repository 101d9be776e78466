interface Host {
  process?: { env?: Record<string, string | undefined> }
}

/** An environment variable; undefined where it is empty or there are none at all, as in a browser. */
export function environment(name: string): string | undefined {
  const value = (globalThis as Host).process?.env?.[name]
  return value === "" ? undefined : value
}
