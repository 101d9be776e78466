import { bytesOf, encoded, textOf } from "../tar/bytes.js"
import { failedWith, type LocalFiles } from "./local-files.js"

/** How much an archive holds: files, directories and links, and the bytes of the files. */
export interface ArchiveSize {
  files: number
  bytes: number
}

/** How much an archive of a directory would hold now: what is linked several times counts once. */
export async function measured(files: LocalFiles, directory: string): Promise<ArchiveSize> {
  const size = { files: 0, bytes: 0 }
  const linked = new Set<string>()
  for (const waiting = [encoded(directory)]; ;) {
    const inside = waiting.pop()
    if (inside === undefined) return size
    for (const name of await files.readdir(bytesOf(inside), { encoding: "buffer" })) {
      const path = `${inside}/${textOf(name)}`
      const stats = await files.lstat(bytesOf(path)).catch((error: unknown) => {
        if (!failedWith(error, "ENOENT")) throw error
        return undefined
      })
      if (stats === undefined) continue
      if (stats.isDirectory()) waiting.push(path)
      else if (!stats.isFile() && !stats.isSymbolicLink()) continue
      size.files += 1
      if (!stats.isFile()) continue
      const number = `${stats.dev} ${stats.ino}`
      if (!linked.has(number)) size.bytes += stats.size
      if (stats.nlink > 1) linked.add(number)
    }
  }
}
