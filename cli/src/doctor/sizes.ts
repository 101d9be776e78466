/** Bytes in a gibibyte. */
export const GiB = 1024 ** 3

/** A number of bytes, for people. */
export const gibibytes = (bytes: number) => `${(bytes / GiB).toFixed(1)} GiB`
