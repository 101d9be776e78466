import type { FileState } from "@opensandbox/vm"
import type { FileInfo } from "./file-service.js"

const types = { f: "file", d: "directory", l: "symlink", o: "other" } as const

/** A file as the wire has it. */
export function fileInfo(path: string, state: FileState): FileInfo {
  return {
    path,
    name: path.replace(/\/+$/, "").split("/").at(-1) ?? "",
    type: types[state.type],
    size: state.size,
    mode: state.mode.toString(8).padStart(3, "0"),
    uid: state.uid,
    gid: state.gid,
    modified_at: new Date(Number(state.mtimeNs) / 1_000_000).toISOString(),
    target: state.target ?? null,
  }
}

/** The path of what a directory holds, as good as the directory's own. */
export function pathInside(directory: string, path: string): string {
  const above = directory.replace(/^(\.\/+)*\.?$/, "")
  return above === "" || above.endsWith("/") ? `${above}${path}` : `${above}/${path}`
}
