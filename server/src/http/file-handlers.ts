import type { RouteName } from "opensandbox/contract"
import type { FileService } from "../files/file-service.js"
import type { Principal } from "../keys/principal.js"
import type { SandboxService } from "../sandboxes/sandbox-service.js"
import type { Handlers } from "./call.js"

type FileRoute = Extract<
  RouteName,
  | "statFile"
  | "listFiles"
  | "readFile"
  | "writeFile"
  | "removeFile"
  | "makeDirectory"
  | "renameFile"
  | "copyFile"
  | "setFileAttributes"
>

/** What the routes of files do. */
export function fileHandlers(service: () => Pick<SandboxService, "files">): Pick<Handlers, FileRoute> {
  const files = (call: { principal: Principal; params: { name: string } }): FileService =>
    service().files(call.principal.ownerId, call.params.name)

  return {
    statFile: (call) => files(call).stat(call.query),
    listFiles: (call) => files(call).list(call.query),
    readFile: (call) => files(call).read(call.query),
    writeFile: (call) => files(call).write(call.query, call.body),
    removeFile: (call) => files(call).remove(call.query),
    makeDirectory: (call) => files(call).mkdir(call.body),
    renameFile: (call) => files(call).rename(call.body),
    copyFile: (call) => files(call).copy(call.body),
    setFileAttributes: (call) => files(call).setAttributes(call.body),
  }
}
