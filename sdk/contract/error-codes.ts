/** Every code that a failure can carry, with its HTTP status and what it means to a caller. */
export const errorCodes = {
  invalid_request: { status: 400, meaning: "The request breaks a rule; `field` names the part that does." },
  unauthorized: { status: 401, meaning: "The API key is missing, unknown or revoked." },
  forbidden: { status: 403, meaning: "The key is valid, but this needs an admin key." },
  not_found: { status: 404, meaning: "There is no such sandbox, snapshot, key, file or path for this key." },
  already_exists: { status: 409, meaning: "The name is taken." },
  busy: { status: 409, meaning: "The sandbox is doing something that this may not overlap with; try again." },
  interrupted: { status: 409, meaning: "A restore, wipe, pause or destroy came before it was done." },
  aborted: { status: 409, meaning: "The caller gave up before it was done; what had begun was stopped." },
  too_large: { status: 413, meaning: "The request body, or the file that it asks for, is too large." },
  limit_reached: { status: 429, meaning: "A limit of the server is reached; destroy something first." },
  quota_exceeded: {
    status: 429,
    meaning: "The sandbox's disk quota is reached; delete snapshots or raise the quota.",
  },
  damaged: { status: 500, meaning: "A layer of the snapshot is damaged; other snapshots are unharmed." },
  internal: { status: 500, meaning: "The server made a mistake; its log says more." },
  unavailable: { status: 503, meaning: "The server or the sandbox's machine cannot be reached." },
  disk_full: {
    status: 503,
    meaning: "The server's disk or the sandbox's own is full; earlier snapshots are unharmed.",
  },
  timeout: { status: 504, meaning: "The time was up before the answer came." },
} as const satisfies Record<string, { status: number; meaning: string }>

/** What went wrong, for programs. `error` says the same for people. */
export type ErrorCode = keyof typeof errorCodes
