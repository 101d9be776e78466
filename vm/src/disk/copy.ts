import { execa } from "execa"

/** Copying is some hundred megabytes a second; what takes longer than this does not get on. */
const copyMilliseconds = 3_600_000

/**
 * Copies a file at the lowest priority. What takes no room in it takes none in the copy, and where the file system can,
 * both share their blocks.
 *
 * @throws Error when it did not get to its end; what is there then is for the caller to remove.
 */
export async function copy(from: string, to: string, cancelled: AbortSignal): Promise<void> {
  await execa("nice", ["-n", "19", "cp", "--reflink=auto", "--sparse=auto", from, to], {
    stdin: "ignore",
    timeout: copyMilliseconds,
    cancelSignal: cancelled,
  })
}
