import { Random } from "./random.js"

/** What a step does to the disk. */
export const stepKinds = ["unchanged", "small change", "burst", "large file"] as const
export type StepKind = (typeof stepKinds)[number]

/** One command of a trace, for bash. What it writes is the same wherever it runs. */
export interface Step {
  readonly kind: StepKind
  readonly command: string
}

/** How often each comes among the steps that are neither a burst nor a large file. */
const weights = { read: 50, write: 20, append: 20, rename: 4, remove: 4 }

const actions = Object.entries(weights).flatMap(([action, weight]) =>
  Array.from({ length: weight }, () => action as keyof typeof weights),
)

/** In each trace. */
const burstCount = 3
const largeFileCount = 3

/**
 * What someone who works on a project might run: half of it looks, the rest writes, appends, renames and deletes small
 * files; three times all dependencies are installed anew, and three times a large file is written.
 */
export function makeTrace(seed: number, length: number): Step[] {
  const project = new Project(new Random(seed))
  const random = new Random(seed + 1)
  // Spread evenly, large files between bursts.
  const bursts = new Map(spread(burstCount, length, 1).map((step, version) => [step, burst(version)]))
  const largeFiles = new Map(
    spread(largeFileCount, length, 0.5).map((step, version) => [step, largeFile(version)]),
  )
  return Array.from({ length }, (_, step) => {
    if (step === 0) return project.begin()
    return bursts.get(step) ?? largeFiles.get(step) ?? project[random.pick(actions)]()
  })
}

function spread(count: number, length: number, offset: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor((length * (index + offset)) / (count + 1)))
}

/** The files of a project, as far as later commands have to know of them. */
class Project {
  readonly #random: Random
  readonly #files: string[] = []
  #lastFile = 0

  constructor(random: Random) {
    this.#random = random
  }

  begin(): Step {
    return change(Array.from({ length: 20 }, () => this.#writeNew()).join("\n"))
  }

  read(): Step {
    const file = this.#random.pick(this.#files)
    const command = this.#random.pick([
      `cat ${file}`,
      `wc -l ${file}`,
      "ls -l src",
      "find . -type f | wc -l",
      `grep -rl ${this.#word()} src | wc -l`,
    ])
    return { kind: "unchanged", command }
  }

  write(): Step {
    // As often over a file that is there as into a new one.
    if (this.#random.below(2) === 0) return change(this.#writeNew())
    return change(`${this.#print()} > ${this.#random.pick(this.#files)}`)
  }

  append(): Step {
    return change(`${this.#print()} >> ${this.#random.pick(this.#files)}`)
  }

  rename(): Step {
    const from = this.#take()
    const to = this.#newFile()
    return change(`mkdir -p ${folderOf(to)} && mv ${from} ${to}`)
  }

  remove(): Step {
    // A project never loses its last files.
    return this.#files.length > 10 ? change(`rm ${this.#take()}`) : this.write()
  }

  #writeNew(): string {
    const file = this.#newFile()
    return `mkdir -p ${folderOf(file)} && ${this.#print()} > ${file}`
  }

  #newFile(): string {
    const file = `src/part-${this.#random.below(8)}/file-${++this.#lastFile}.txt`
    this.#files.push(file)
    return file
  }

  #take(): string {
    const [file = ""] = this.#files.splice(this.#random.below(this.#files.length), 1)
    return file
  }

  /** Some lines, 60 bytes to 3 KB. */
  #print(): string {
    const lines = Array.from({ length: 1 + this.#random.below(50) }, () =>
      Array.from({ length: 6 }, () => this.#word()).join(" "),
    )
    return `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")}`
  }

  #word(): string {
    return this.#random.below(2 ** 32).toString(36)
  }
}

function change(command: string): Step {
  return { kind: "small change", command }
}

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"))
}

/** What `npm install` does to a disk: 5,000 files of some 3 KB in 600 folders, in the place of those of another version. */
function burst(version: number): Step {
  const program = `BEGIN {
  x = ${version + 1}
  split("lib dist src test types", folders)
  for (package = 0; package < 100; package++) for (folder = 1; folder <= 5; folder++) for (n = 0; n < 10; n++) {
    file = "node_modules/package-" package "/" folders[folder] "/" n ".js"
    x = (x * 1103 + 12345) % 65536
    for (lines = 20 + x % 200; lines > 0; lines--) {
      x = (x * 1103 + 12345) % 65536
      print "export const v" lines " = " x > file
    }
    close(file)
  }
}`
  const command = [
    "rm -rf node_modules",
    "mkdir -p node_modules/package-{0..99}/{lib,dist,src,test,types}",
    `awk '${program}'`,
  ].join("\n")
  return { kind: "burst", command }
}

/** 32 MiB that cannot be compressed. */
function largeFile(version: number): Step {
  const program = `import random; open("model.bin", "wb").write(random.Random(${version}).randbytes(32 << 20))`
  return { kind: "large file", command: `python3 -c '${program}'` }
}
