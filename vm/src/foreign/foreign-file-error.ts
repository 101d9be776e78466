/** A file that came from elsewhere is not what it should be. The message says what is wrong, for people. */
export class ForeignFileError extends Error {
  override name = "ForeignFileError"
}
