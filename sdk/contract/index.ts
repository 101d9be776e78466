export { errorCodes, type ErrorCode } from "./error-codes.js"
export { invalidRequest } from "./invalid-request.js"
export { maxJsonBytes } from "./limits.js"
export { openApiDocument, type OpenApiDocument } from "./openapi.js"
export { commonErrors, isContent, type Route } from "./route.js"
export {
  routes,
  type AnswerContent,
  type RouteAnswer,
  type RouteBody,
  type RouteHeaders,
  type RouteName,
  type RouteParams,
  type RouteQuery,
} from "./routes.js"
export { networkPolicy } from "./schemas/network.js"
export { processId } from "./schemas/process.js"
export { cpus, memoryMb, memoryStep, mostDiskGb } from "./schemas/size.js"
export { snapshotLabel } from "./schemas/snapshot.js"
export { terminalResize, type TerminalMessage } from "./schemas/terminal.js"
