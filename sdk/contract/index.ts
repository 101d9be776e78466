export { errorCodes, type ErrorCode } from "./error-codes.js"
export { invalidRequest } from "./invalid-request.js"
export { openApiDocument, type OpenApiDocument } from "./openapi.js"
export {
  commonErrors,
  routes,
  type Route,
  type RouteAnswer,
  type RouteBody,
  type RouteName,
  type RouteParams,
} from "./routes.js"
