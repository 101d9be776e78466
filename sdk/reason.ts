/** Why something failed, for people. Node puts the reason of a failed fetch into the error's cause. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause
  if (!(cause instanceof Error)) return error.message
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message
}
