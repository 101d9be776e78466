import type { Call } from "./call.js"
import { reason } from "./reason.js"
import { failure, type Failure } from "./results.js"

/** A request as fetch takes it. */
export interface Request {
  url: URL
  init: RequestInit
}

/**
 * The request of a call, or why there can be none.
 * @param accept the media types that are understood as an answer
 */
export function requestOf(call: Call, apiKey: string, baseUrl: string, accept: string): Request | Failure {
  if (apiKey === "") return failure("unauthorized", missingKey)
  // The rest of what a header cannot carry would make fetch throw.
  if (!/^[\x20-\x7e]+$/.test(apiKey)) {
    return failure("unauthorized", "The API key holds characters that no key has")
  }
  // A URL parser resolves these away, and the request would go to another path than the one meant.
  const unaddressable = call.path.find((segment) => /^\.{0,2}$/.test(segment))
  if (unaddressable !== undefined) {
    return failure("invalid_request", `"${unaddressable}" is not the name of anything`)
  }
  try {
    const path = call.path.map(encodeURIComponent).join("/")
    const url = new URL(`${baseUrl.replace(/\/+$/, "")}/${path}${queryOf(call)}`)
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    const headers = {
      "x-api-key": apiKey,
      accept,
      ...(body !== undefined && { "content-type": "application/json" }),
    }
    // A redirect could carry the key to another host.
    return {
      url,
      init: { method: call.method, headers, redirect: "error", ...(body !== undefined && { body }) },
    }
  } catch (error) {
    return failure("invalid_request", `The request cannot be sent to ${baseUrl}: ${reason(error)}`)
  }
}

function queryOf({ query = {} }: Call): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  )
  return parts.length === 0 ? "" : `?${parts.join("&")}`
}

const missingKey =
  "No API key. Pass one to new Client(api_key) or set OPENSANDBOX_API_KEY; " +
  '"opensandbox keys create" on the server\'s machine makes one'
