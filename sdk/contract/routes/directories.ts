import * as content from "../content.js"
import type { Route } from "../route.js"
import * as schemas from "../schemas/index.js"

/** What a look at a directory may come to, as the machine may have to start for it. */
const lookErrors = [
  "invalid_request",
  "not_found",
  "interrupted",
  "limit_reached",
  "damaged",
  "disk_full",
  "timeout",
] as const

/** The operations on whole directories of a sandbox. */
export const directoryRoutes = {
  downloadTar: {
    method: "GET",
    path: "/vms/:name/files/tar",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.packQuery,
    response: content.tar,
    status: 200,
    errors: lookErrors,
    summary: "Get what is in a directory, as a tar archive",
  },
  measureDirectory: {
    method: "GET",
    path: "/vms/:name/files/size",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.packQuery,
    response: schemas.directorySize,
    status: 200,
    errors: lookErrors,
    summary: "Get how much an archive of a directory would hold, as the progress of a transfer needs it",
  },
  uploadTar: {
    method: "PUT",
    path: "/vms/:name/files/tar",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.unpackQuery,
    body: content.tar,
    response: schemas.unpackAnswer,
    status: 200,
    errors: [
      "invalid_request",
      "not_found",
      "interrupted",
      "too_large",
      "limit_reached",
      "quota_exceeded",
      "damaged",
      "disk_full",
      "timeout",
    ],
    eventStream: true,
    summary:
      "Make in a directory what a tar archive holds, then take a snapshot unless the request wants none",
  },
  watchDirectory: {
    method: "GET",
    path: "/vms/:name/files/watch",
    auth: "key",
    params: schemas.vmParams,
    query: schemas.watchQuery,
    response: content.watchEvents,
    status: 200,
    errors: lookErrors,
    summary: "Watch what happens to the files in a directory, or to one file",
  },
} as const satisfies Record<string, Route>
