import { ProtocolError } from "./errors.js"

/** @throws ProtocolError when the guest's bytes are no JSON. */
export function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString("utf8"))
  } catch {
    throw new ProtocolError("a message that is no JSON")
  }
}
