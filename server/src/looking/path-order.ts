/**
 * The bytes of a guest's path.
 *
 * @param path With a code point from U+EF80 to U+EFFF in the place of each byte that does not fit into UTF-8.
 */
function bytesOf(path: string): Buffer {
  const pieces = path.split(/([\uEF80-\uEFFF])/)
  return Buffer.concat(pieces.map((piece, at) => (at % 2 === 0 ? Buffer.from(piece) : escapedByte(piece))))
}

function escapedByte(escape: string): Buffer {
  return Buffer.of(escape.charCodeAt(0) & 0xff)
}

/** In the order of the paths' bytes. */
export function sortByPath<T extends { readonly path: string }>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: bytesOf(item.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ item }) => item)
}

/**
 * Tells of paths whether a listing that was cut off behind `last` has come past them: one that has each directory right
 * before what is in it, and names in the order of their bytes.
 */
export function listedUpTo(last: string): (path: string) => boolean {
  const end = depthFirstKey(last)
  return (path) => Buffer.compare(depthFirstKey(path), end) <= 0
}

/** Compares as the listing is ordered: no name has a zero byte, so a slash comes before whatever goes on with the name. */
function depthFirstKey(path: string): Buffer {
  return bytesOf(path.replaceAll("/", "\0"))
}
