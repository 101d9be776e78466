export { exportQuery } from "./archive.js"
export { change, diff, diffQuery, fileQuery } from "./diff.js"
export {
  attributesRequest,
  copyRequest,
  directoryRequest,
  fileInfo,
  fileList,
  filesChanged,
  listQuery,
  pathQuery,
  readQuery,
  removeQuery,
  renameRequest,
  writeQuery,
} from "./files.js"
export { directorySize, packQuery, unpackAnswer, unpackQuery, watchQuery } from "./directories.js"
export { createKeyRequest, keyInfo, keyList, keyParams, newKey } from "./key.js"
export { lifetimeRequest } from "./lifetime.js"
export { networkPolicy } from "./network.js"
export { linkRequest, port, portLink, portList, portParams, portRequest, waitForPortRequest } from "./port.js"
export {
  inputAnswer,
  inputQuery,
  outputHeaders,
  outputQuery,
  processInfo,
  processList,
  processParams,
  resizeRequest,
  signalRequest,
  startRequest,
} from "./process.js"
export { retentionRequest, retentionStatus } from "./retention.js"
export { runAnswer, runRequest } from "./run.js"
export { createRequest, forkRequest, forksRequest, vmInfo, vmList, vmParams } from "./sandbox.js"
export { errorBody, health, message, openApi } from "./server.js"
export {
  restoreAnswer,
  restoreRequest,
  snapshot,
  snapshotList,
  snapshotParams,
  snapshotRequest,
  undoAnswer,
} from "./snapshot.js"
export { terminalMessage, terminalRequest, terminalResize, terminalTicket } from "./terminal.js"
