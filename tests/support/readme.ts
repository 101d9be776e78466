import { readFile } from "node:fs/promises"
import { join } from "node:path"
import ts from "typescript"
import { repository } from "./repository.js"

/** The blocks of code in README of one language, each by the heading that it is below, and a number from the second on. */
export async function readmeBlocks(language: string): Promise<Map<string, string>> {
  const readme = await readFile(join(repository, "README.md"), "utf8")
  const blocks = new Map<string, string>()
  let heading = ""
  for (const [, title, tag, code = ""] of readme.matchAll(/^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$/gms)) {
    if (title !== undefined) heading = title
    else if (tag === language) blocks.set(nameIn(blocks, heading), code)
  }
  return blocks
}

function nameIn(blocks: ReadonlyMap<string, string>, heading: string): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? heading : `${heading} ${number}`
    if (!blocks.has(name)) return name
  }
}

/** An example as a program for every version of Node. @param sdk What the package's name stands for. */
export function programOf(example: string, sdk: string): string {
  const { outputText } = ts.transpileModule(example.replaceAll('"opensandbox"', JSON.stringify(sdk)), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  return outputText
}

/**
 * What an example finds there: `client`, and the `sandbox` of that name, as in the first of them. A request that the
 * server refuses is an error, since examples do not look at all that they are told.
 */
export const surroundings = (sdk: string, webSocket: string, sandbox: string): string => `
const { fetch } = globalThis
globalThis.fetch = async (...request) => {
  const answer = await fetch(...request)
  if (!answer.ok) {
    console.error(request[0], answer.status, await answer.clone().text())
    process.exitCode = 1
  }
  return answer
}
const { Client } = await import(${JSON.stringify(sdk)})
const { WebSocket } = await import(${JSON.stringify(webSocket)})
globalThis.client = new Client(undefined, undefined, { WebSocket })
globalThis.sandbox = client.sandbox(${JSON.stringify(sandbox)})
`
