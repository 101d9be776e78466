import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const server = fileURLToPath(new URL("../..", import.meta.url))

/** Runs two steps of the built server with OPENSANDBOX_FAILPOINT set, and prints after each. */
function passTwice(armed: string, ...nodeOptions: string[]) {
  const pass = 'failpoint("snapshot.sealed"); console.log("passed");'
  const script = `import { failpoint } from "#failpoint"; ${pass} ${pass}`
  const { signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...nodeOptions, "--input-type=module", "--eval", script],
    { cwd: server, encoding: "utf8", env: { ...process.env, OPENSANDBOX_FAILPOINT: armed } },
  )
  return { signal, passed: stdout.split("passed").length - 1, stderr }
}

test("a server that was started as servers are has no failpoints, whatever its environment says", () => {
  expect(passTwice("snapshot.sealed")).toMatchObject({ signal: null, passed: 2 })
})

test("one that was started for it dies at the step that is named, the nth time that it gets there", () => {
  const condition = "--conditions=failpoints"
  expect(passTwice("snapshot.sealed", condition)).toMatchObject({ signal: "SIGKILL", passed: 0 })
  expect(passTwice("snapshot.sealed:2", condition)).toMatchObject({ signal: "SIGKILL", passed: 1 })
  expect(passTwice("snapshot.sealed:3", condition)).toMatchObject({ signal: null, passed: 2 })
  expect(passTwice("snapshot.recorded", condition)).toMatchObject({ signal: null, passed: 2 })
  expect(passTwice("snapshot.saeled", condition).stderr).toContain("names no step: snapshot.saeled")
})

test("a published package cannot be started for it", () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json"], { cwd: server, encoding: "utf8" })
  const [{ files } = { files: [] }] = JSON.parse(stdout) as { files: { path: string }[] }[]
  const paths = files.map(({ path }) => path)
  expect(paths).toContain("dist/failpoint/none.js")
  expect(paths.filter((path) => path.includes("armed"))).toEqual([])
})
