import type { ErrorCode } from "opensandbox"

/** What to do about a failure, by its code. */
export type Hints = Partial<Record<ErrorCode, string>>

export const keyHints: Hints = {
  not_found: '"opensandbox keys list" lists the keys.',
}

export const sandboxHints: Hints = {
  unauthorized:
    'Set OPENSANDBOX_API_KEY to a valid key. On the server\'s machine, "opensandbox keys create" makes one.',
  not_found: '"opensandbox ls" lists your sandboxes, "opensandbox snapshots NAME" the snapshots of one.',
  already_exists:
    '"opensandbox ls" lists the names that are yours; choose another, or remove one with "opensandbox rm".',
  busy: "Try again when the sandbox is done with what it is doing.",
  limit_reached: 'Remove a sandbox that is not needed any more with "opensandbox rm NAME".',
  quota_exceeded:
    '"opensandbox retention NAME" shows the quota and what is in use, "opensandbox rm-snapshot NAME SNAPSHOT" deletes a snapshot.',
  timeout: 'A longer time can be set with "opensandbox run NAME --timeout SECONDS COMMAND".',
  disk_full: "Make room on the server's disk. Earlier snapshots are unharmed.",
  damaged: '"opensandbox snapshots NAME" shows which snapshots are damaged; the others can be restored.',
  internal: "The server's log says more.",
}

/** For what is about one process. */
export const processHints: Hints = {
  ...sandboxHints,
  not_found: '"opensandbox ls" lists your sandboxes, "opensandbox ps NAME" the processes of one.',
}

/** For `snapshot`, where it is the label that may be taken. */
export const labelHints: Hints = {
  ...sandboxHints,
  already_exists: '"opensandbox snapshots NAME" lists the labels that are taken.',
}
