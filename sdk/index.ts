export type { ErrorCode } from "./contract/error-codes.js"
