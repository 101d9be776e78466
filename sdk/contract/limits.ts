/** Seconds that a command may take when its request names no timeout. */
export const defaultTimeoutSeconds = 30

/** The longest timeout of a command, in seconds: 24 hours. */
export const maxTimeoutSeconds = 86_400

/** The longest time until a sandbox is paused or destroyed by itself, in seconds: a year. */
export const maxLifetimeSeconds = 31_536_000

/** The longest command, in bytes of UTF-8. */
export const maxCommandBytes = 256 * 1024

/** The most levels of directories that a list goes down: more than a path can have. */
export const maxFileDepth = 2048

/** The most that a request's variables take in a command's environment, in bytes: the kernel takes no longer one. */
export const maxEnvironmentBytes = 128 * 1024

/** The most that a command can be given on its standard input, in bytes. */
export const maxStdinBytes = 1024 * 1024

/** The longest JSON of a request, in bytes, where its route does not say otherwise. */
export const maxJsonBytes = 1024 * 1024

/** The longest JSON of a request to run a command: its input may have to be escaped. */
export const maxRunJsonBytes = 4 * 1024 * 1024
