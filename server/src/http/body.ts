import { isContent, maxJsonBytes, type Route } from "opensandbox/contract"
import { Failure } from "../failure.js"
import { received } from "./transfer.js"
import { validated } from "./validation.js"

/** How long JSON may take to arrive. */
const deadlineMs = 60_000

/** A request's body as its route has it: a stream of content without a bound, else JSON, for which see `readJson`. */
export async function readBody(
  shape: NonNullable<Route["body"]>,
  request: Request,
  maxBytes = maxJsonBytes,
): Promise<unknown> {
  if (!isContent(shape)) return validated(shape, await readJson(request, maxBytes))
  return received(request.body ?? new Blob([]).stream())
}

/**
 * The JSON of a request's body; undefined when it is empty. Fails with `invalid_request` when it is no JSON, `too_large`
 * when it is longer than that, `timeout` when it takes too long to arrive.
 */
async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const announced = request.headers.get("content-length")
  if (Number(announced) > maxBytes) throw tooLarge(maxBytes)
  // The HTTP parser holds a client to the length that it announced.
  const text = await inTime(announced === null ? readBounded(request, maxBytes) : request.text())
  if (text === "") return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new Failure("invalid_request", "Invalid request: the body must be a JSON object.", {
      field: "body",
    })
  }
}

/** A body that comes in chunks, of which nobody said how many. */
async function readBounded(request: Request, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  const reader = request.body?.getReader()
  let size = 0
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    size += part.value.length
    if (size > maxBytes) {
      // Who answers reads on.
      reader?.releaseLock()
      throw tooLarge(maxBytes)
    }
    chunks.push(part.value)
  }
  return Buffer.concat(chunks).toString()
}

async function inTime(arrival: Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Failure("timeout", "The request's body did not arrive within a minute."))
    }, deadlineMs)
  })
  try {
    return await Promise.race([arrival, late])
  } finally {
    clearTimeout(timer)
  }
}

function tooLarge(maxBytes: number): Failure {
  const text = `The request body is larger than ${maxBytes / 1024 / 1024} MiB.`
  return new Failure("too_large", text, { field: "body" })
}
