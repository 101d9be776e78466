/** One line of text that does nothing to a terminal: control characters are shown as escapes, long text is cut. */
export function printable(text: string, maxLength = 80): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const known: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }
    return known[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
  return shown.length > maxLength ? `${shown.slice(0, maxLength - 1)}…` : shown
}
