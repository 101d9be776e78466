// @ts-check
import { spawn } from "node:child_process"
import { repository } from "./repository.mjs"

/** Set-up cannot go on; the message says what to do. */
export class SetupError extends Error {}

let steps = 0

/** How many steps have been taken so far. */
export function stepsTaken() {
  return steps
}

/**
 * Does one step of the set-up, with a line on the terminal that ends with its seconds.
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 */
export async function step(title, work) {
  steps += 1
  const start = Date.now()
  process.stdout.write(`${title} ... `)
  try {
    const result = await work()
    process.stdout.write(`${((Date.now() - start) / 1000).toFixed(1)} s\n`)
    return result
  } catch (error) {
    process.stdout.write("failed\n")
    throw error
  }
}

/**
 * Runs a program quietly; only when it fails does its output come to light.
 * @param {string} file
 * @param {string[]} args
 * @param {{ minutes: number, cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<void>}
 */
export function run(file, args, { minutes, cwd = repository, env = {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: minutes * 60_000,
    })
    let output = ""
    /** @param {string} text */
    const keep = (text) => (output = (output + text).slice(-20_000))
    child.stdout.setEncoding("utf8").on("data", keep)
    child.stderr.setEncoding("utf8").on("data", keep)
    child.on("error", (error) => reject(new SetupError(`${file} cannot be started: ${error.message}`)))
    child.on("close", (code, signal) => {
      if (code === 0) resolve()
      else reject(new SetupError(`${output.trim()}\n${file} ${args.join(" ")} failed (${code ?? signal})`))
    })
  })
}
