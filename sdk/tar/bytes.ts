// Names in an archive are bytes. Here they are text with a character for each byte, so that they can be compared and cut.

/** The bytes of a text that has a character for each. */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (character) => character.charCodeAt(0))

/** A text with a character for each byte. */
export function textOf(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** The same for an ordinary text, in UTF-8. */
export const encoded = (text: string): string => textOf(new TextEncoder().encode(text))

/** An ordinary text of it; what is no UTF-8 becomes U+FFFD. */
export const decoded = (text: string): string => new TextDecoder().decode(bytesOf(text))
