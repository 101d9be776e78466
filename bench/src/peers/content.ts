/** Prints a hash of all files beneath the directory where it runs: their names and their content. */
export const contentHash =
  "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1"
