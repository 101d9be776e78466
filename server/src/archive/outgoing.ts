/**
 * Bytes for a caller, made only as they are taken.
 *
 * @param end Called once the last byte is out, the source failed, or the caller went away; maybe twice. Never fails.
 */
export function outgoing(
  source: AsyncIterable<Buffer>,
  end: () => Promise<void>,
): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await pieces.next()
          if (next.done !== true) {
            controller.enqueue(next.value)
            return
          }
          await end()
          controller.close()
        } catch (error) {
          await end()
          throw error
        }
      },
      cancel: () => end(),
    },
    { highWaterMark: 0 },
  )
}
