import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { randomBytes } from "node:crypto"

/** Prints one line for all below the working directory: paths, types, modes, times, link targets and contents, as one hash. */
export const treeHash = [
  "export LC_ALL=C;",
  String.raw`{ find . -mindepth 1 -printf '%P\t%y\t%m\t%.22T+\t%l\t%n\0' | sort -z;`,
  "find . -type f -print0 | sort -z | xargs -0r sha256sum; } | sha256sum",
].join(" ")

/** What a shell command prints in a directory of this machine. */
export const locally = (directory: string, command: string): string =>
  execFileSync("bash", ["-c", command], { cwd: directory, encoding: "utf8" })

/** Names as programs do not expect them. */
const oddNames = [
  "plain.txt",
  ".hidden",
  "-rf",
  " blank ",
  "new\nline",
  "tab\t",
  "quote'\"`$(x)",
  "back\\slash",
  "größe €𝄞",
  "star*?[a]",
  "x".repeat(255),
  "ctrl\u0001\u007f",
]

/** Makes a tree of at least so many files, with odd names, all that an archive keeps, and some content. */
export function makeTree(directory: string, files: number): void {
  mkdirSync(directory, { recursive: true })
  const deep = `${directory}/${"d".repeat(200)}/${"e".repeat(200)}`
  mkdirSync(deep, { recursive: true })
  for (let made = 0; made < files; made++) {
    const below = `${made % 7 === 0 ? deep : directory}/dir ${made % 50}`
    mkdirSync(below, { recursive: true })
    writeFileSync(
      `${below}/${made}-${(oddNames[made % oddNames.length] ?? "").slice(0, 240)}`,
      randomBytes(made % 1000),
    )
  }
  locally(
    directory,
    String.raw`printf x > "$(printf 'caf\351')"; mkdir -m 711 empty; ln -s ../nowhere link; ln 'dir 1/1-.hidden' second
      chmod 600 'dir 2/2--rf'; chmod 755 'dir 1/1-.hidden'; touch -d '2001-02-03 04:05:06.75' 'dir 1/1-.hidden' empty
      touch -h -d '2002-02-02' link; head -c 3000000 /dev/zero > zeros`,
  )
}
