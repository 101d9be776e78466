// @ts-check
import { existsSync } from "node:fs"
import { join } from "node:path"
import { run, SetupError, step } from "./step.mjs"

/** Each Debian package that is needed, with a file that shows that it, or something in its place, is there. */
const needs = [
  { package: "qemu-system-x86", file: "qemu-system-x86_64" },
  { package: "qemu-utils", file: "qemu-img" },
  { package: "mmdebstrap", file: "mmdebstrap" },
  { package: "debian-archive-keyring", file: "/usr/share/keyrings/debian-archive-keyring.gpg" },
  { package: "e2fsprogs", file: "mke2fs" },
  { package: "cpio", file: "cpio" },
  { package: "zstd", file: "zstd" },
  { package: "golang-go", file: "go" },
  // npm packages with native parts are compiled where no ready-made binary fits.
  { package: "g++", file: "g++" },
  { package: "make", file: "make" },
  { package: "python3", file: "python3" },
  // The tests log in to sandboxes with it.
  { package: "openssh-client", file: "ssh" },
  { package: "rsync", file: "rsync" },
  // And see with it what is synced.
  { package: "strace", file: "strace" },
]
/** What only the tests need, and is large or used by few of them: a browser, and shells that commands are completed in. */
const needsOfTests = [
  { package: "chromium", file: "chromium" },
  { package: "zsh", file: "zsh" },
  { package: "fish", file: "fish" },
]
const needsOfUser = [{ package: "uidmap", file: "newuidmap" }]

const asRoot = process.getuid?.() === 0

/**
 * Installs the Debian packages that this host lacks, as root or through sudo where it asks for no password.
 * @param {{ forTests: boolean }} options
 */
export async function installHostPackages({ forTests }) {
  const wanted = [...needs, ...(forTests ? needsOfTests : []), ...(asRoot ? [] : needsOfUser)]
  const missing = wanted.filter(({ file }) => !isThere(file))
  if (missing.length === 0) return
  const packages = missing.map((need) => need.package)
  if (!isThere("apt-get")) {
    throw new SetupError(
      "OpenSandbox sets up hosts with Debian or a relative of it, and apt-get is not here.\n" +
        `Missing: ${missing.map(({ file }) => file).join(", ")} (in Debian: ${packages.join(" ")})`,
    )
  }
  const install = ["install", "--yes", "--no-install-recommends", ...packages]
  if (!asRoot && !(await sudoAsksNothing())) {
    throw new SetupError(
      `Some Debian packages are missing. Install them, then try again:\n` +
        `  sudo apt-get update && sudo apt-get ${install.join(" ")}`,
    )
  }
  await step(`Debian packages: ${packages.join(" ")}`, async () => {
    await aptGet(["update"])
    await aptGet(install)
  })
}

/** @param {string[]} args */
function aptGet(args) {
  const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args]
  const [file = "env", ...rest] = asRoot ? command : ["sudo", "-n", ...command]
  return run(file, rest, { minutes: 30 })
}

function sudoAsksNothing() {
  return run("sudo", ["-n", "true"], { minutes: 1 }).then(
    () => true,
    () => false,
  )
}

/** @param {string} file a program's name or a path */
function isThere(file) {
  const directories = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`.split(":")
  return file.startsWith("/")
    ? existsSync(file)
    : directories.some((directory) => existsSync(join(directory, file)))
}
