/** Bytes that become characters at one time: functions take no longer list of arguments. */
const chunkSize = 0x2000

/** Bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + chunkSize)))
  }
  return btoa(pieces.join(""))
}

/** The bytes that the text stands for; undefined when it is no base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let binary: string
  try {
    binary = atob(text)
  } catch {
    return undefined
  }
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}
