/** What the checks ask of the host. */
export interface HostProbe {
  nodeVersion: () => string
  /** What a program prints; undefined when it is not installed or fails. */
  outputOf: (program: string, args: readonly string[]) => Promise<string | undefined>
  isReadable: (path: string) => Promise<boolean>
  kvmDevice: () => Promise<"missing" | "forbidden" | "opens">
  /** The directory of the newest image, if one was built. */
  currentImage: () => Promise<string | undefined>
  /** Boots a guest of the image, unless that was done before. Rejects when it boots in no way at all. */
  accelerator: (image: string) => Promise<{ accelerator: string; reason: string }>
  /** Bytes free where the directory is or would be made; undefined when this user cannot write there. */
  freeBytes: (directory: string) => Promise<number | undefined>
  /** The error code with which listening fails; undefined when it does not. */
  listenError: (host: string, port: number) => Promise<string | undefined>
  /** Whether an OpenSandbox server answers there. */
  serverAnswers: (host: string, port: number) => Promise<boolean>
  /** Memory that could be used now, in bytes. */
  availableMemory: () => number
}
