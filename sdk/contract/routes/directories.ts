import * as content from "../content.js"
import type { Route } from "../route.js"
import * as schemas from "../schemas/index.js"

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
    errors: [
      "invalid_request",
      "not_found",
      "interrupted",
      "limit_reached",
      "damaged",
      "disk_full",
      "timeout",
    ],
    summary: "Get what is in a directory, as a tar archive",
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
    errors: [
      "invalid_request",
      "not_found",
      "interrupted",
      "limit_reached",
      "damaged",
      "disk_full",
      "timeout",
    ],
    summary: "Watch what happens to the files in a directory",
  },
} as const satisfies Record<string, Route>
