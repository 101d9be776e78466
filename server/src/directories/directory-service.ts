import type { WatchEvent } from "@opensandbox/vm"
import type { RouteAnswer, RouteQuery } from "opensandbox/contract"

export type Unpacked = RouteAnswer<"uploadTar">

export type DirectorySize = RouteAnswer<"measureDirectory">

/** A watch that is in force. */
export interface DirectoryWatch {
  /**
   * Hands on the events, some at a time; the guest is asked for more once the promise is fulfilled. Fulfilled when the
   * watch is over. Rejects with a `Failure`.
   */
  tell(take: (events: readonly WatchEvent[]) => Promise<void>): Promise<void>
  /** Ends the watch. */
  close(): void
}

/**
 * What can be done with the directories of one sandbox, each as a whole. A path that is not absolute begins in
 * `/workspace`. All rejects with a `Failure` for all that the caller may know about.
 */
export interface DirectoryService {
  /** What is in a directory, as a tar archive. Cancelling the stream ends the work on it. */
  pack(request: RouteQuery<"downloadTar">): Promise<ReadableStream<Uint8Array>>
  /** How much such an archive would hold now. */
  measure(request: RouteQuery<"measureDirectory">): Promise<DirectorySize>
  /** Makes what an archive holds, and takes a snapshot unless told not to. What came before a failure stays. */
  unpack(request: RouteQuery<"uploadTar">, archive: ReadableStream<Uint8Array>): Promise<Unpacked>
  /** Watches a directory or a file. */
  watch(request: RouteQuery<"watchDirectory">): Promise<DirectoryWatch>
}
