import { within } from "../deadline.js"
import type { GuestStream } from "./guest-stream.js"

/**
 * Sends content as the input of a request, at the pace of the guest, and ends the input. When the request is answered
 * before, the rest of the content is cancelled.
 *
 * @param patienceMs How long the guest may take nothing.
 * @throws DeadlineError, or what the content fails with; the input has no end then.
 */
export async function sendContent(
  stream: Pick<GuestStream<unknown>, "done" | "write" | "end">,
  content: ReadableStream<Uint8Array>,
  patienceMs: number,
): Promise<void> {
  const reader = content.getReader()
  const stop = () => {
    reader.cancel().catch(() => undefined)
  }
  stream.done.then(stop, stop)
  try {
    for (let part = await reader.read(); part.value !== undefined; part = await reader.read()) {
      await within(patienceMs, "the guest's taking of more", stream.write(part.value))
    }
    stream.end()
  } catch (error) {
    stop()
    throw error
  }
}
