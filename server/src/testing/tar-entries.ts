import { Header, type HeaderData } from "tar"

const blockBytes = 512

/** One entry of a tar file, to be tampered with. */
export interface TarEntry {
  header: Buffer
  content: Buffer
}

/** The entries of a tar file of plain files. */
export function entriesOf(tar: Buffer): TarEntry[] {
  const entries: TarEntry[] = []
  for (let at = 0; tar[at] !== 0;) {
    const header = tar.subarray(at, at + blockBytes)
    const { size = 0 } = new Header(header)
    const content = tar.subarray(at + blockBytes, at + blockBytes + size)
    entries.push({ header, content })
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes
  }
  return entries
}

export function tarOf(entries: readonly TarEntry[], end: Buffer = Buffer.alloc(2 * blockBytes)): Buffer {
  const padded = entries.flatMap(({ header, content }) => [
    header,
    content,
    Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes),
  ])
  return Buffer.concat([...padded, end])
}

/** An entry whose header says whatever it is told to. */
export function entry(data: HeaderData, content: Buffer = Buffer.alloc(0)): TarEntry {
  const header = Buffer.alloc(blockBytes)
  new Header({ mode: 0o600, size: content.length, type: "File", ...data }).encode(header)
  return { header, content }
}
