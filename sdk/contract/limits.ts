/** Seconds that a command may take when its request names no timeout. */
export const defaultTimeoutSeconds = 30

/** The longest timeout of a command, in seconds: 24 hours. */
export const maxTimeoutSeconds = 86_400

/** The longest command, in bytes of UTF-8. */
export const maxCommandBytes = 256 * 1024

/** The most levels of directories that a list goes down: more than a path can have. */
export const maxFileDepth = 2048
