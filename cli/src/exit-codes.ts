/** What `opensandbox` exits with, apart from 0 and the codes of the commands that `opensandbox run` runs. */
export const exitCodes = {
  /** What was asked for was not done. */
  failed: 1,
  /** The arguments make no sense. */
  usage: 2,
  /** `run` has no exit code to pass on, as its command did not run to its end; as with `docker run` and `timeout`. */
  notRun: 125,
} as const
