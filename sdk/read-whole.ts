import { AnswerTooLarge, answerBytes } from "./answer-bytes.js"
import { reason } from "./reason.js"
import { failure, type Failure } from "./results.js"

/** All of a file's content, or why it could not be had. */
export async function readWhole(
  stream: ReadableStream<Uint8Array>,
): Promise<{ success: true; content: Uint8Array<ArrayBuffer> } | Failure> {
  try {
    return { success: true, content: await answerBytes(new Response(stream as BodyInit)) }
  } catch (error) {
    if (!(error instanceof AnswerTooLarge)) return failure("unavailable", reason(error))
    return failure(
      "too_large",
      'The file is larger than 128 MiB: read a part of it, or all with { encoding: "stream" }',
    )
  }
}
