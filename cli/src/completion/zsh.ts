import type { Candidate, CommandWords } from "./command-words.js"
import { quoted } from "./quoted.js"

/** A script that has zsh complete the command lines of a program. */
export function zshCompletion(program: string, commands: readonly CommandWords[]): string {
  const paths = commands.filter(({ path }) => path !== "").map(({ path }) => quoted(path))
  const following = commands.map(({ path, words, options }) => {
    const long = options.map(({ long: word, description }) => ({ word, description }))
    return `    (${quoted(path)}) candidates=(${list(words)}) options=(${list(long)}) ;;`
  })
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map(({ long, choices }) => {
        const words = `${path} ${long}`.trim()
        return `    (${quoted(words)}) candidates=(${choices.map(quoted).join(" ")}) options=() ;;`
      }),
  )
  return `#compdef ${program}
# Completes ${program} in zsh. To use it: source <(${program} completion zsh)
_${program}() {
  local command= line index
  local -a candidates options
  for ((index = 2; index < CURRENT; index++)); do
    line="\${command:+$command }\${words[index]}"
    case "$line" in
      (${paths.join("|")}) command=$line ;;
    esac
  done
  case "$command" in
${following.join("\n")}
  esac
  case "\${command:+$command }\${words[CURRENT - 1]}" in
${values.join("\n")}
  esac
  local found=1
  _describe word candidates && found=0
  _describe -o option options && found=0
  if (( found )); then _files; fi
}
if [[ $funcstack[1] = _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`
}

/** Words as `_describe` takes them; a colon would begin the description. */
function list(candidates: readonly Candidate[]): string {
  return candidates
    .map(({ word, description }) => quoted(`${word.replaceAll(":", "\\:")}:${description}`))
    .join(" ")
}
