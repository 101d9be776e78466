/** The most that a command can be given on its standard input, in bytes. */
export const maxInputBytes = 1024 * 1024

/** All of an input. */
export async function readInput(input: ReadableStream<Uint8Array>): Promise<Uint8Array | "too large"> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = input.getReader()
  for (let read = await reader.read(); read.value !== undefined; read = await reader.read()) {
    size += read.value.byteLength
    if (size > maxInputBytes) {
      await reader.cancel()
      return "too large"
    }
    chunks.push(read.value)
  }
  return Buffer.concat(chunks)
}
