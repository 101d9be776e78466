/** What is read of a body only to be thrown away, at most: in bytes and in milliseconds. */
const bounds = { bytes: 64 * 1024 * 1024, ms: 10_000 }

/**
 * The body of an answer to a client that may still be sending what nobody wants: the answer is out at once, but ends only
 * when the rest of the request has been read. A connection that is closed with some of it unread is reset, and with that
 * the client may lose the answer.
 */
export function beforeTheRest(
  answer: Uint8Array,
  unread: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = unread.getReader()
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        controller.enqueue(answer)
      },
      pull: async (controller) => {
        await discarded(reader)
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

/** Reads to the end, to where the client breaks off, or to a bound. */
async function discarded(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, bounds.ms, undefined)
  })
  try {
    for (let left = bounds.bytes; left > 0;) {
      const part = await Promise.race([reader.read(), late])
      if (part?.value === undefined) return
      left -= part.value.length
    }
  } catch {
    // The client is gone, and needs no answer.
  } finally {
    clearTimeout(timer)
  }
}
