import { statfs } from "node:fs/promises"
import { diskFull } from "./storage-failure.js"

/** Less than this free, and nothing is begun that takes room: a guest that runs into a full disk stands still. */
const spareBytes = 64 * 1024 * 1024

/**
 * @param bytes What is known to be written next. Default 0: a command, of which nobody knows.
 * @throws Failure `disk_full` when the data directory's file system has too little room for it.
 */
export async function requireSpace(dataDirectory: string, bytes = 0): Promise<void> {
  if (!(await hasSpace(dataDirectory, bytes))) throw diskFull()
}

/** Whether what `requireSpace` asks for is there. */
export async function hasSpace(dataDirectory: string, bytes = 0): Promise<boolean> {
  const { bavail, bsize } = await statfs(dataDirectory)
  return bavail * bsize >= spareBytes + bytes
}
