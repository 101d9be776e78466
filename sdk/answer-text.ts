/** Most bytes of an answer: two streams of the server's default 8 MiB, each byte escaped as six, and room to spare. */
const maxBytes = 128 * 1024 * 1024

/** The whole text of an answer, or undefined when it is larger than any that a server sends. */
export async function answerText(response: Response): Promise<string | undefined> {
  if (response.body === null) return ""
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  const parts: string[] = []
  let bytes = 0
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    bytes += read.value.byteLength
    if (bytes > maxBytes) {
      await reader.cancel()
      return undefined
    }
    parts.push(decoder.decode(read.value, { stream: true }))
  }
  parts.push(decoder.decode())
  return parts.join("")
}
