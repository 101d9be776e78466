import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { ExecaError } from "execa"
import { z } from "zod"
import { clusterBits } from "../disk/layer-directory.js"
import { nameBacking } from "../disk/rebase.js"
import { runConfined, type ToolLimits } from "./confined-tool.js"
import { ForeignFileError } from "./foreign-file-error.js"
import { checkQcow2Header } from "./qcow2-header.js"

/** What a disk rests on, and how its file names that. */
interface DiskBase {
  readonly path: string
  readonly name: string
}

/** A disk file that came from elsewhere, and what is to become of it. */
export interface ForeignDisk {
  /** The file that came; nobody writes to it any more. */
  readonly path: string
  /** Size of the disk as the guest sees it, in bytes. */
  readonly diskBytes: number
  /** The name of the file that it rests on, as its header must have it; null for none. */
  readonly backing: string | null
  /** The file to make; what is there after a failure is for the caller to remove. */
  readonly target: string
  /** The blank disk that the content rests on; left out for none. */
  readonly base?: DiskBase
}

/** Reading and writing the largest disk takes a small part of it. */
const toolSeconds = 900

const checkReport = z.object({
  "check-errors": z.literal(0),
  corruptions: z.literal(0).default(0),
  leaks: z.literal(0).default(0),
  "allocated-clusters": z.number().default(0),
  "compressed-clusters": z.literal(0).default(0),
})

/** Room for a file's own tables beside its content: an 8-byte entry for each cluster of 512 bytes, and some. */
export function largestDiskFile(diskBytes: number): number {
  return diskBytes + diskBytes / 32 + 1024 * 1024
}

/**
 * Copies the content of a disk file that came from elsewhere into a file that is made here. Its header is read first,
 * before any program opens it, then its tables are checked; what is left of it is content, which is the guest's affair.
 *
 * @throws ForeignFileError when the file is not what it should be.
 * @throws ExecaError when `qemu-img` cannot be run, or has no room or no time.
 */
export async function copyForeignDisk(disk: ForeignDisk): Promise<void> {
  const limits = { seconds: toolSeconds, fileBytes: largestDiskFile(disk.diskBytes) }
  const clusterBytes = await checkQcow2Header(disk.path, disk)
  await blaming("its tables are damaged", checkTables(disk.path, clusterBytes, limits))
  await blaming("its content cannot be read", copyContent(disk, limits))
}

/** Every cluster has one place in the file and nothing is compressed, so that the content is no larger than the file. */
async function checkTables(path: string, clusterBytes: number, limits: ToolLimits): Promise<void> {
  const text = await runConfined(
    "qemu-img",
    ["check", "--output=json", asArgument(diskNode(path, null))],
    limits,
  )
  const report = checkReport.safeParse(JSON.parse(text))
  if (!report.success) throw new ForeignFileError("its tables are damaged", { cause: report.error })
  if (report.data["allocated-clusters"] * clusterBytes > (await stat(path)).size) {
    throw new ForeignFileError("it claims to hold more than its length")
  }
}

/** With a base, what the file does not hold itself is not copied: it is in the base. */
async function copyContent({ path, target, base }: ForeignDisk, limits: ToolLimits): Promise<void> {
  const source = asArgument(diskNode(path, base === undefined ? null : diskNode(base.path, null)))
  const format = ["-O", "qcow2", "-o", `cluster_size=${2 ** clusterBits}`]
  // Taken as relative to the copy otherwise.
  const below = base === undefined ? [] : ["-B", resolve(base.path), "-F", "qcow2"]
  await runConfined("qemu-img", ["convert", "-q", ...format, ...below, source, target], limits)
  if (base !== undefined) await nameBacking(target, base.name)
}

/** A file of a disk, with what it rests on said here: no name inside of it is looked at. */
function diskNode(path: string, backing: object | null): object {
  return { driver: "qcow2", backing, file: { driver: "file", filename: path } }
}

function asArgument(node: object): string {
  return `json:${JSON.stringify(node)}`
}

/** Tells a tool that failed over the file from one that could not do its work here. */
async function blaming(complaint: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ExecaError) || couldNotWork(error)) throw error
    throw new ForeignFileError(complaint, { cause: error })
  }
}

/** How `nice` and `prlimit` end when they find no program to run. */
const noProgram = 127

function couldNotWork(failure: Pick<ExecaError, "code" | "exitCode" | "timedOut" | "message">): boolean {
  const notStarted = failure.code === "ENOENT" || failure.exitCode === noProgram
  return notStarted || failure.timedOut || /No space left|Disk quota exceeded/.test(failure.message)
}
