import fc from "fast-check"

/** What a workspace holds: paths and, for a file its mode and content, for a link its target. */
export type FileTree = ReadonlyMap<string, Entry>

type Entry = { type: "d" } | { type: "f"; mode: string; content: string } | { type: "l"; target: string }

/** One change of a workspace: the shell command that makes it, and what it does to the tree. */
export interface Change {
  readonly command: string
  readonly exitCode: number
  readonly apply: (tree: FileTree) => FileTree
}

/** Names of directories and of other things never meet, so that no change depends on what is in its way. */
const directory = fc.array(fc.constantFrom("d0", "d1", "d2"), { maxLength: 3 })
const leaf = fc.constantFrom("f0", "f1", "f 2", "ф3")
const filePath = fc.tuple(directory, leaf).map(([above, name]) => [...above, name].join("/"))
const directoryPath = directory.filter((names) => names.length > 0).map((names) => names.join("/"))
const content = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "é", " ", "\n", "%", "\\", "$", '"'), maxLength: 30 }),
  fc.nat({ max: 50_000 }).map((length) => "0123456789".repeat(length / 10)),
)

/** A random change of a workspace. */
export const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(filePath, content).map(([path, text]) => write(path, text)) },
  { weight: 2, arbitrary: fc.tuple(filePath, content).map(([path, text]) => append(path, text)) },
  { weight: 2, arbitrary: directoryPath.map(makeDirectory) },
  { weight: 2, arbitrary: fc.oneof(filePath, directoryPath).map(remove) },
  { weight: 2, arbitrary: fc.tuple(filePath, filePath).map(([from, to]) => move(from, to)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(filePath, fc.constantFrom("600", "644", "755"))
      .map(([path, mode]) => chmod(path, mode)),
  },
  { weight: 1, arbitrary: fc.tuple(directory, filePath).map(([above, target]) => link(above, target)) },
  { weight: 1, arbitrary: fc.tuple(filePath, content, fc.integer({ min: 1, max: 125 })).map(failAfter) },
)

function write(path: string, text: string): Change {
  return {
    command: `rm -rf ${quote(path)}; ${inParent(path)} && printf %s ${quote(text)} > ${quote(path)}`,
    exitCode: 0,
    apply: (tree) => put(tree, path, { type: "f", mode: "644", content: text }),
  }
}

function append(path: string, text: string): Change {
  return {
    command: `${inParent(path)} && printf %s ${quote(text)} >> ${quote(path)}`,
    exitCode: 0,
    apply: (tree) => {
      const old = tree.get(path)
      const before = old?.type === "f" ? old : { mode: "644", content: "" }
      return put(tree, path, { type: "f", mode: before.mode, content: before.content + text })
    },
  }
}

function makeDirectory(path: string): Change {
  return { command: `mkdir -p ${quote(path)}`, exitCode: 0, apply: (tree) => withParents(tree, `${path}/`) }
}

function remove(path: string): Change {
  return { command: `rm -rf ${quote(path)}`, exitCode: 0, apply: (tree) => without(tree, path) }
}

function move(from: string, to: string): Change {
  return {
    command: `if [ -f ${quote(from)} ] && [ ${quote(from)} != ${quote(to)} ]; then ${inParent(to)} && mv -f ${quote(from)} ${quote(to)}; fi`,
    exitCode: 0,
    apply: (tree) => {
      const moved = tree.get(from)
      return moved === undefined || from === to ? tree : put(without(tree, from), to, moved)
    },
  }
}

function chmod(path: string, mode: string): Change {
  return {
    command: `if [ -f ${quote(path)} ]; then chmod ${mode} ${quote(path)}; fi`,
    exitCode: 0,
    apply: (tree) => {
      const old = tree.get(path)
      return old?.type === "f" ? put(tree, path, { ...old, mode }) : tree
    },
  }
}

function link(above: string[], target: string): Change {
  const path = [...above, "l0"].join("/")
  return {
    command: `${inParent(path)} && ln -sfn ${quote(target)} ${quote(path)}`,
    exitCode: 0,
    apply: (tree) => put(tree, path, { type: "l", target }),
  }
}

/** A command that changes something and then fails: it is a success all the same, and has a snapshot. */
function failAfter([path, text, exitCode]: [string, string, number]): Change {
  return { ...write(path, text), command: `${write(path, text).command}; (exit ${exitCode})`, exitCode }
}

/** The command that prints a workspace, and nothing changes by it. */
export const listCommand =
  `find . -mindepth 1 -printf '%y %m %P %l\\n' | LC_ALL=C sort; ` +
  `find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum`

/** What {@link listCommand} prints for a tree. */
export function listing(tree: FileTree, sha256: (text: string) => string): string {
  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  const lines = [...tree].map(([path, entry]) => {
    if (entry.type === "d") return `d 755 ${path} `
    return entry.type === "f" ? `f ${entry.mode} ${path} ` : `l 777 ${path} ${entry.target}`
  })
  const hashes = [...tree]
    .filter(([, entry]) => entry.type === "f")
    .sort(([a], [b]) => byBytes(a, b))
    .map(([path, entry]) => `${sha256(entry.type === "f" ? entry.content : "")}  ./${path}`)
  return [...lines.sort(byBytes), ...hashes].map((line) => `${line}\n`).join("")
}

function inParent(path: string): string {
  return `mkdir -p ${quote(path.split("/").slice(0, -1).join("/") || ".")}`
}

function put(tree: FileTree, path: string, entry: Entry): FileTree {
  return new Map(withParents(tree, path)).set(path, entry)
}

function withParents(tree: FileTree, path: string): FileTree {
  const names = path.split("/").slice(0, -1)
  const added = new Map(tree)
  for (let depth = 1; depth <= names.length; depth++) {
    added.set(names.slice(0, depth).join("/"), { type: "d" })
  }
  return added
}

function without(tree: FileTree, path: string): FileTree {
  return new Map([...tree].filter(([other]) => other !== path && !other.startsWith(`${path}/`)))
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
