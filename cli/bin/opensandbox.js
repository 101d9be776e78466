#!/usr/bin/env node
// Committed, unlike what it loads, so that npm can link the command before anything is built.
import("../dist/index.js").catch((error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error
  console.error(`opensandbox: ${error.message}\nRun "npm run build" in the repository first.`)
  process.exitCode = 1
})
