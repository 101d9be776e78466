import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { runCli } from "../testing/run-cli.js"

/** Each shell's way to print what it would offer for the words after the script's path, the last of which is unfinished. */
const shells = {
  bash: [
    "--norc",
    "-c",
    'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _opensandbox; printf "%s\\n" "${COMPREPLY[@]}"',
  ],
  // Completion needs a line editor there: what stands in for it prints what it is given.
  zsh: [
    "-f",
    "-c",
    "compdef() { :; }; _describe() { local all=${@[-1]}; print -l -- ${(PM)all:#${words[CURRENT]}*}; }; _files() { :; }; " +
      'source "$0"; words=("$@"); CURRENT=$#; _opensandbox',
  ],
  fish: ["--no-config", "-c", 'source $argv[1]; complete -C (string join " " -- $argv[2..])'],
} as const

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "opensandbox-completion-"))
  for (const shell of Object.keys(shells)) {
    const { exitCode, stdout } = await runCli(["completion", shell])
    expect(exitCode).toBe(0)
    await writeFile(join(directory, shell), stdout)
  }
})

afterAll(() => rm(directory, { recursive: true }))

async function offered(shell: keyof typeof shells, ...words: string[]): Promise<string[]> {
  const args = [...shells[shell], join(directory, shell), "opensandbox", ...words]
  const { stdout, stderr } = await promisify(execFile)(shell, args, {
    timeout: 20_000,
    env: { ...process.env, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
  })
  expect(stderr).toBe("")
  // What follows a word is its description.
  return stdout
    .split("\n")
    .map((line) => line.replace(/[\t:].*/, ""))
    .filter((word) => word !== "")
    .sort()
}

describe.each(Object.keys(shells) as (keyof typeof shells)[])("%s completes", (shell) => {
  test("commands", async () => {
    expect(await offered(shell, "rest")).toEqual(["restore"])
    expect(await offered(shell, "")).toEqual(expect.arrayContaining(["create", "keys", "run", "serve"]))
  })

  test("commands of commands", async () => {
    expect(await offered(shell, "keys", "cr")).toEqual(["create"])
    expect(await offered(shell, "keys", "create", "--na")).toEqual(["--name"])
  })

  test("options", async () => {
    expect(await offered(shell, "serve", "--dur")).toEqual(["--durability"])
    expect(await offered(shell, "restore", "box", "initial", "--k")).toEqual(["--keep"])
  })

  test("values that can be listed", async () => {
    expect(await offered(shell, "serve", "--durability", "p")).toEqual(["process"])
    expect(await offered(shell, "completion", "f")).toEqual(["fish"])
  })
})

test("a shell that nobody knows is a wrong usage", async () => {
  expect((await runCli(["completion", "csh"])).exitCode).toBe(2)
})
