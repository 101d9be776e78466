import { execa } from "execa"

/** Copying is some hundred megabytes a second; what takes longer than this does not get on. */
const copyMilliseconds = 3_600_000

const renameMilliseconds = 30_000

/** How much of the processor a copy leaves to the machines: all that they want, or most of it when somebody waits. */
const niceness = { background: "19", awaited: "5" }

/**
 * Lets a qcow2 file rest on one further down its chain, and copies into it what lies between and differs.
 *
 * @param file Must be open nowhere else.
 * @param base As the file shall name it.
 * @throws Error when it did not get to its end; the file is of no use then.
 */
export async function rebase(
  file: string,
  base: string,
  priority: keyof typeof niceness,
  cancelled?: AbortSignal,
): Promise<void> {
  // The zeros that a guest's discard leaves take no room in the copy.
  const target = `driver=qcow2,discard=unmap,detect-zeroes=unmap,file.filename=${file.replaceAll(",", ",,")}`
  const command = ["qemu-img", "rebase", "-t", "unsafe", "-F", "qcow2", "-b", base, "--image-opts", target]
  await execa("nice", ["-n", niceness[priority], ...command], {
    stdin: "ignore",
    timeout: copyMilliseconds,
    ...(cancelled !== undefined && { cancelSignal: cancelled }),
  })
}

/** Changes the name of what a qcow2 file rests on, and nothing else. */
export async function nameBacking(file: string, name: string): Promise<void> {
  const args = ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", name, file]
  await execa("qemu-img", args, { stdin: "ignore", timeout: renameMilliseconds })
}
