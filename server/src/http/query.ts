import { Failure } from "../failure.js"

/** The parameters after a URL's path. Fails with `invalid_request` when one is there twice: which is meant? */
export function readQuery(url: string): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [name, value] of new URL(url).searchParams) {
    if (Object.hasOwn(query, name)) {
      throw new Failure("invalid_request", `Invalid request: "${name}" is there more than once`, {
        field: name,
      })
    }
    query[name] = value
  }
  return query
}
