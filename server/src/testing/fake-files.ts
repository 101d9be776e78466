import { Failure } from "../failure.js"
import type { FileInfo, FileList, FilesChanged, FileService } from "../files/file-service.js"

const modifiedAt = "2030-01-01T00:00:00.000Z"

/** The files of a sandbox without a machine: a flat list. What is asked of it is kept as it came. */
export class FakeFiles implements FileService {
  readonly contents = new Map<string, string>()
  readonly asked: unknown[] = []

  async stat(request: { path: string }): Promise<FileInfo> {
    this.asked.push(request)
    return infoOf(request.path, await this.#find(request.path))
  }

  list(request: { path: string; depth: number }): Promise<FileList> {
    this.asked.push(request)
    const entries = [...this.contents].map(([path, content]) => infoOf(path, content))
    return Promise.resolve({ entries, truncated: false })
  }

  async read(request: { path: string }): Promise<ReadableStream<Uint8Array>> {
    this.asked.push(request)
    return new Blob([await this.#find(request.path)]).stream()
  }

  async write(
    request: Parameters<FileService["write"]>[0],
    content: ReadableStream<Uint8Array>,
  ): Promise<FilesChanged> {
    const text = await new Response(content as BodyInit).text()
    this.contents.set(request.path, text)
    return this.#change(request)
  }

  remove(request: Parameters<FileService["remove"]>[0]): Promise<FilesChanged> {
    this.contents.delete(request.path)
    return this.#change(request)
  }

  mkdir(request: Parameters<FileService["mkdir"]>[0]): Promise<FilesChanged> {
    return this.#change(request)
  }

  rename(request: Parameters<FileService["rename"]>[0]): Promise<FilesChanged> {
    return this.#change(request)
  }

  copy(request: Parameters<FileService["copy"]>[0]): Promise<FilesChanged> {
    return this.#change(request)
  }

  setAttributes(request: Parameters<FileService["setAttributes"]>[0]): Promise<FilesChanged> {
    return this.#change(request)
  }

  #change(request: { snapshot: boolean }): Promise<FilesChanged> {
    this.asked.push(request)
    return Promise.resolve({ snapshot: request.snapshot ? "file_1" : null })
  }

  #find(path: string): Promise<string> {
    const content = this.contents.get(path)
    if (content !== undefined) return Promise.resolve(content)
    return Promise.reject(new Failure("not_found", `"${path}" does not exist.`, { field: "path" }))
  }
}

function infoOf(path: string, content: string): FileInfo {
  return {
    path,
    name: path,
    type: "file",
    size: content.length,
    mode: "644",
    uid: 0,
    gid: 0,
    modified_at: modifiedAt,
    target: null,
  }
}
