import { open } from "node:fs/promises"
import { ForeignFileError } from "./foreign-file-error.js"

/** What the header of a disk file that came from elsewhere has to say. */
export interface ExpectedDisk {
  /** Size of the disk as the guest sees it, in bytes. */
  readonly diskBytes: number
  /** The name of the file that it rests on; null for none. */
  readonly backing: string | null
}

/** The parts of a header that its tables' size follows from. */
interface Geometry {
  readonly clusterBytes: number
  readonly fileBytes: number
}

const magic = "QFI\xfb"
const shortestHeader = 104
const longestHeader = 112
const bytesPerEntry = 8

/** Header, extensions and the backing file's name are at the beginning of the first cluster. */
const inspectedBytes = 4096

const extensions = { end: 0, backingFormat: 0xe2792aca, featureNames: 0x6803f857 }

/**
 * Reads the header of a qcow2 file that came from elsewhere, before any program opens it: a header can make QEMU open
 * other files of this host, allocate tables of any size, or take a broken file for a whole one. Only what
 * {@link emptyQcow2} and `qemu-img` write without further options gets through.
 *
 * The format: https://www.qemu.org/docs/master/interop/qcow2.html
 *
 * @returns the size of a cluster in bytes.
 * @throws ForeignFileError when the header says anything else.
 */
export async function checkQcow2Header(path: string, expected: ExpectedDisk): Promise<number> {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(Buffer.alloc(inspectedBytes), 0, inspectedBytes, 0)
    return checkBytes(buffer.subarray(0, bytesRead), size, expected)
  } finally {
    await file.close()
  }
}

function checkBytes(bytes: Buffer, fileBytes: number, expected: ExpectedDisk): number {
  require(bytes.length >= longestHeader && bytes.toString("latin1", 0, 4) === magic, "it is no qcow2 file")
  require(bytes.readUInt32BE(4) === 3, "it is not of version 3 of qcow2")
  const clusterBits = bytes.readUInt32BE(20)
  require(clusterBits >= 9 && clusterBits <= 21, "its cluster size is out of bounds")
  const geometry = { clusterBytes: 2 ** clusterBits, fileBytes }
  require(uint64(bytes, 24) === expected.diskBytes, "its disk is not as large as the image's")
  require(bytes.readUInt32BE(32) === 0, "it is encrypted")
  require(bytes.readUInt32BE(60) === 0, "it holds snapshots of its own")
  require(bytes.readBigUInt64BE(72) === 0n, "it has features that change how it is read")
  require(bytes.readBigUInt64BE(80) === 0n && bytes.readBigUInt64BE(88) === 0n, "it has optional features")
  require(bytes.readUInt32BE(96) === 4, "its reference counts have an unusual width")
  checkTables(bytes, geometry, expected.diskBytes)
  checkNames(bytes, geometry, expected.backing)
  return geometry.clusterBytes
}

/** The tables that the header points at are within the file and as large as the disk needs. */
function checkTables(bytes: Buffer, { clusterBytes, fileBytes }: Geometry, diskBytes: number): void {
  const firstLevelEntries = bytes.readUInt32BE(36)
  const needed = Math.ceil(diskBytes / (clusterBytes * (clusterBytes / bytesPerEntry)))
  require(firstLevelEntries === needed, "its first-level table does not fit its disk")
  const firstLevelEnd = uint64(bytes, 40) + firstLevelEntries * bytesPerEntry
  const refcountEnd = uint64(bytes, 48) + bytes.readUInt32BE(56) * clusterBytes
  require(firstLevelEnd <= fileBytes && refcountEnd <= fileBytes, "its tables reach beyond its end")
}

/** No extension but the harmless ones, and the name of no file but the expected one. */
function checkNames(bytes: Buffer, { clusterBytes }: Geometry, backing: string | null): void {
  const end = Math.min(bytes.length, clusterBytes)
  let at = bytes.readUInt32BE(100)
  require(at === shortestHeader || at === longestHeader, "its header has an unusual length")
  require(at === shortestHeader || bytes[shortestHeader] === 0, "it is compressed in an unusual way")
  for (;;) {
    require(at + 8 <= end, "the extensions of its header have no end")
    const [type, length] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
    if (type === extensions.end) break
    require(type === extensions.backingFormat ||
      type === extensions.featureNames, "it has unusual extensions")
    require(length <= inspectedBytes, "the extensions of its header have no end")
    const data = bytes.toString("latin1", at + 8, at + 8 + length)
    require(type !== extensions.backingFormat || data === "qcow2", "it rests on a file of an unusual format")
    at += 8 + Math.ceil(length / 8) * 8
  }
  const [nameAt, nameLength] = [uint64(bytes, 8), bytes.readUInt32BE(16)]
  const name = nameAt === 0 ? null : bytes.toString("latin1", nameAt, nameAt + nameLength)
  require(name === backing, "it rests on a file that it should not rest on")
}

/** Offsets and sizes beyond what a number holds exactly are beyond every limit, too. */
function uint64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64BE(at))
}

function require(holds: boolean, complaint: string): void {
  if (!holds) throw new ForeignFileError(complaint)
}
