/** Whether a write failed because its reader has seen enough, as in `opensandbox ls | head -1`: that is no error. */
export const isReaderGone = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EPIPE"
