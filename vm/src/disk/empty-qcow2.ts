import type { SparseFile } from "./sparse-file.js"

const headerLength = 112
const backingFormatExtension = 0xe2792aca
const refcountOrder = 4
const bytesPerEntry = 8

/**
 * An empty qcow2 file on top of another one, as `qemu-img create -u` would make it. Written here because one is made
 * for every snapshot, and starting a program for it takes many times as long as the snapshot itself.
 *
 * The format: https://www.qemu.org/docs/master/interop/qcow2.html
 *
 * @param size What the guest sees, in bytes.
 * @param clusterBits The cluster size as a power of two; 9 to 21.
 * @param backing The name of the qcow2 file below, relative to this one's directory.
 */
export function emptyQcow2(size: number, clusterBits: number, backing: string): SparseFile {
  const cluster = 2 ** clusterBits
  const clustersPerTable = cluster / bytesPerEntry
  const l1Entries = Math.ceil(size / (cluster * clustersPerTable))
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * bytesPerEntry) / cluster))
  // In this order: header, refcount table, its one block, the first-level table, which is all zero.
  const [refcountTable, refcountBlock, l1Table] = [cluster, 2 * cluster, 3 * cluster]
  const clusters = 3 + l1Clusters

  const header = Buffer.alloc(headerLength)
  header.write("QFI\xfb", 0, "latin1")
  header.writeUInt32BE(3, 4)
  header.writeUInt32BE(clusterBits, 20)
  header.writeBigUInt64BE(BigInt(size), 24)
  header.writeUInt32BE(l1Entries, 36)
  header.writeBigUInt64BE(BigInt(l1Table), 40)
  header.writeBigUInt64BE(BigInt(refcountTable), 48)
  header.writeUInt32BE(1, 56)
  header.writeUInt32BE(refcountOrder, 96)
  header.writeUInt32BE(headerLength, 100)

  const extensions = Buffer.concat([extension(backingFormatExtension, "qcow2"), extension(0, "")])
  const name = Buffer.from(backing)
  header.writeBigUInt64BE(BigInt(headerLength + extensions.length), 8)
  header.writeUInt32BE(name.length, 16)

  const tableEntry = Buffer.alloc(bytesPerEntry)
  tableEntry.writeBigUInt64BE(BigInt(refcountBlock))
  const counts = Buffer.alloc(clusters * 2)
  for (let at = 0; at < clusters; at++) counts.writeUInt16BE(1, at * 2)

  return {
    length: clusters * cluster,
    pieces: [
      { offset: 0, bytes: Buffer.concat([header, extensions, name]) },
      { offset: refcountTable, bytes: tableEntry },
      { offset: refcountBlock, bytes: counts },
    ],
  }
}

/** A header extension: type, length, data padded to eight bytes. */
function extension(type: number, data: string): Buffer {
  const bytes = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8)
  bytes.writeUInt32BE(type, 0)
  bytes.writeUInt32BE(data.length, 4)
  bytes.write(data, 8, "latin1")
  return bytes
}
