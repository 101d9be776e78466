import { destination, pino, type Logger } from "pino"

/** Structured lines on stderr: stdout belongs to what the command prints for people. */
export function createLog(level: string): Logger {
  return pino({ level }, destination({ fd: 2, sync: true }))
}
