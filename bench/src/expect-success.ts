/** The result, which has to be a success. @throws Error otherwise: a benchmark measures nothing that failed. */
export function expectSuccess<Result extends { success: true } | { success: false; error: string }>(
  result: Result,
): Extract<Result, { success: true }> {
  if (!result.success) throw new Error(result.error)
  return result as Extract<Result, { success: true }>
}
