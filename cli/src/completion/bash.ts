import type { CommandWords } from "./command-words.js"
import { quoted } from "./quoted.js"

/** A script that has bash complete the command lines of a program. */
export function bashCompletion(program: string, commands: readonly CommandWords[]): string {
  const paths = commands.filter(({ path }) => path !== "").map(({ path }) => quoted(path))
  const following = commands.map(({ path, words, options }) => {
    const all = [...words.map(({ word }) => word), ...options.map(({ long }) => long)]
    return `    ${quoted(path)}) candidates=${quoted(all.join(" "))} ;;`
  })
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map(({ long, choices }) => {
        const words = `${path} ${long}`.trim()
        return `    ${quoted(words)}) candidates=${quoted(choices.join(" "))} ;;`
      }),
  )
  return `# Completes ${program} in bash. To use it: source <(${program} completion bash)
_${program}() {
  local command= candidates= words index
  for ((index = 1; index < COMP_CWORD; index++)); do
    words="\${command:+$command }\${COMP_WORDS[index]}"
    case "$words" in
      ${paths.join("|")}) command=$words ;;
    esac
  done
  case "$command" in
${following.join("\n")}
  esac
  case "\${command:+$command }\${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${program} ${program}
`
}
