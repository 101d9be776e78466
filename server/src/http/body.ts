import { Failure } from "../failure.js"

const maxBodyBytes = 1024 * 1024

/** The JSON of a request's body. Fails with `invalid_request` when it is none, `too_large` above 1 MiB. */
export async function readJson(request: Request): Promise<unknown> {
  const announced = request.headers.get("content-length")
  if (Number(announced) > maxBodyBytes) throw tooLarge()
  // The HTTP parser holds a client to the length that it announced.
  const text = announced === null ? await readBounded(request) : await request.text()
  try {
    return JSON.parse(text)
  } catch {
    throw new Failure("invalid_request", "Invalid request: the body must be a JSON object.", {
      field: "body",
    })
  }
}

/** A body that comes in chunks, of which nobody said how many. */
async function readBounded(request: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  const reader = request.body?.getReader()
  let size = 0
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    size += part.value.length
    if (size > maxBodyBytes) throw tooLarge()
    chunks.push(part.value)
  }
  return Buffer.concat(chunks).toString()
}

function tooLarge(): Failure {
  return new Failure("too_large", "The request body is larger than 1 MiB.", { field: "body" })
}
