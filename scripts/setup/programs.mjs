// @ts-check
import { join } from "node:path"
import { repository, sourcesBelow, whenChanged } from "./repository.mjs"
import { run, step } from "./step.mjs"

/** The guest's agent, once {@link buildAgent} has run. */
export const agentBinary = join(repository, "agent", "build", "agent")

/** Compiles the TypeScript of all packages. */
export async function buildPackages() {
  const workspaces = ["vm", "image", "server", "cli", "bench"]
  const configuration = ["package-lock.json", "tsconfig.json", "tsconfig.base.json"]
  await whenChanged(
    {
      stamp: join(repository, "dist", ".sources"),
      sources: [
        ...configuration.map((file) => join(repository, file)),
        ...sourcesBelow(["sdk", ...workspaces], /\.ts$|^tsconfig\.json$/),
      ],
      results: ["dist/sdk", "sdk/commonjs/dist", ...workspaces.map((workspace) => `${workspace}/dist`)].map(
        (directory) => join(repository, directory),
      ),
    },
    () =>
      step("TypeScript", () =>
        run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "--build"], {
          minutes: 10,
        }),
      ),
  )
}

/** Compiles the agent to a static program that is the same wherever, whenever and from whichever commit it is made. */
export async function buildAgent() {
  await whenChanged(
    {
      stamp: `${agentBinary}.sources`,
      sources: sourcesBelow(["agent"], /./),
      results: [agentBinary],
    },
    () =>
      step("Agent", () =>
        run(
          "go",
          ["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", agentBinary, "."],
          {
            minutes: 10,
            cwd: join(repository, "agent"),
            env: { CGO_ENABLED: "0", GOOS: "linux", GOARCH: "amd64", GOPROXY: "off", GOTOOLCHAIN: "local" },
          },
        ),
      ),
  )
}
