import type { RouteAnswer, RouteBody, RouteQuery } from "opensandbox/contract"

export type FileInfo = RouteAnswer<"statFile">
export type FileList = RouteAnswer<"listFiles">
/** The name of the snapshot that was taken; null when none was to be. */
export type FilesChanged = RouteAnswer<"writeFile">

/**
 * What can be done with the files of one sandbox. A path that is not absolute begins in `/workspace`. What changes files
 * takes a snapshot unless told not to. All rejects with a `Failure` for all that the caller may know about.
 */
export interface FileService {
  /** What a file is; a link is followed. */
  stat(request: RouteQuery<"statFile">): Promise<FileInfo>
  /** What a directory holds. */
  list(request: RouteQuery<"listFiles">): Promise<FileList>
  /** A file's content. Cancelling the stream ends the work on it. */
  read(request: RouteQuery<"readFile">): Promise<ReadableStream<Uint8Array>>
  /** Replaces a file's content, or adds to it, once all of the new content is there. */
  write(request: RouteQuery<"writeFile">, content: ReadableStream<Uint8Array>): Promise<FilesChanged>
  remove(request: RouteQuery<"removeFile">): Promise<FilesChanged>
  mkdir(request: RouteBody<"makeDirectory">): Promise<FilesChanged>
  rename(request: RouteBody<"renameFile">): Promise<FilesChanged>
  copy(request: RouteBody<"copyFile">): Promise<FilesChanged>
  setAttributes(request: RouteBody<"setFileAttributes">): Promise<FilesChanged>
}
