import type { Outcome, ProcessEvent } from "./process-events.js"

/** How output is given: as text, of which no character is ever split, or as bytes. */
export type Encoding = "utf8" | "buffer"

/** Some output of a process. */
export interface OutputPiece<Data = string> {
  stream: "stdout" | "stderr"
  data: Data
}

/** Makes output of the bytes that a process prints. */
interface Decoder<Data> {
  /** What the bytes complete, if anything. */
  push(bytes: Uint8Array<ArrayBuffer>): Data | undefined
  /** What is left at the end, or before bytes that are missing. */
  flush(): Data | undefined
}

/** Gives back what a process prints, piece by piece, until there is no more. */
export async function* decoded<Data>(
  events: AsyncGenerator<ProcessEvent, Outcome, undefined>,
  newDecoder: () => Decoder<Data>,
  onSkipped: (bytes: number) => void,
): AsyncGenerator<OutputPiece<Data>, void, undefined> {
  const decoders = { stdout: newDecoder(), stderr: newDecoder() }
  const rest = function* () {
    for (const stream of ["stdout", "stderr"] as const) {
      const data = decoders[stream].flush()
      if (data !== undefined) yield { stream, data }
    }
  }
  for await (const event of events) {
    if (event.kind === "skipped") {
      yield* rest()
      onSkipped(event.count)
    } else {
      const data = decoders[event.kind].push(event.bytes)
      if (data !== undefined) yield { stream: event.kind, data }
    }
  }
  yield* rest()
}

export function textDecoder(): Decoder<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  const some = (text: string) => (text === "" ? undefined : text)
  return {
    push: (bytes) => some(decoder.decode(bytes, { stream: true })),
    flush: () => some(decoder.decode()),
  }
}

export function bytesDecoder(): Decoder<Uint8Array<ArrayBuffer>> {
  return { push: (bytes) => bytes, flush: () => undefined }
}
