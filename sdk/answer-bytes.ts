/** Most bytes of an answer: two streams of the server's default 8 MiB, each byte escaped as six, and room to spare. */
export const maxAnswerBytes = 128 * 1024 * 1024

/** An answer is larger than any that a server gives in one piece. */
export class AnswerTooLarge extends Error {}

/** All of an answer. @throws AnswerTooLarge */
export async function answerBytes(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
    size += read.value.byteLength
    if (size > maxAnswerBytes) {
      await reader?.cancel()
      throw new AnswerTooLarge()
    }
    parts.push(read.value)
  }
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }
  return bytes
}

/** All of an answer, as text. @throws AnswerTooLarge */
export async function answerText(response: Response): Promise<string> {
  return new TextDecoder().decode(await answerBytes(response))
}
