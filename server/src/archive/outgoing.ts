/** A reader that takes nothing for this long has gone, or wants to keep something busy here. */
const pauseMilliseconds = 300_000

/**
 * Bytes for a caller, made as fast as they are taken.
 *
 * @param end Called once, when the last byte is out, the source failed, or the caller went away or took nothing for five
 * minutes.
 */
export function outgoing(
  source: AsyncIterable<Buffer>,
  end: () => Promise<void>,
  maxPauseMilliseconds = pauseMilliseconds,
): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]()
  let pause: NodeJS.Timeout | undefined
  const waitForCaller = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    pause = setTimeout(() => {
      controller.error(new Error("nobody reads the archive any more"))
      void end()
    }, maxPauseMilliseconds)
  }
  return new ReadableStream<Uint8Array>(
    {
      start: waitForCaller,
      async pull(controller) {
        clearTimeout(pause)
        try {
          const next = await pieces.next()
          if (next.done !== true) {
            controller.enqueue(next.value)
            waitForCaller(controller)
            return
          }
          await end()
          controller.close()
        } catch (error) {
          await end()
          throw error
        }
      },
      async cancel() {
        clearTimeout(pause)
        await end()
      },
    },
    { highWaterMark: 0 },
  )
}
