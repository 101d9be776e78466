import type { CommandWords, OptionWords } from "./command-words.js"
import { quotedForFish as quoted } from "./quoted.js"

/** A script that has fish complete the command lines of a program. */
export function fishCompletion(program: string, commands: readonly CommandWords[]): string {
  const paths = commands.filter(({ path }) => path !== "").map(({ path }) => quoted(` ${path}`))
  const completions = commands.flatMap(({ path, words, options }) => {
    const isThis = `__${program}_command ${quoted(path === "" ? "" : ` ${path}`)}`
    const begin = `complete -c ${program} -n ${quoted(isThis)}`
    return [
      ...words.map(({ word, description }) => `${begin} -f -a ${quoted(word)} -d ${quoted(description)}`),
      ...options.map((option) => `${begin} ${spellings(option)} -d ${quoted(option.description)}`),
    ]
  })
  return `# Completes ${program} in fish. To use it: ${program} completion fish | source
function __${program}_command
  set -l command
  for word in (commandline -opc)[2..]
    contains -- "$command $word" ${paths.join(" ")}
    and set command "$command $word"
  end
  test "$command" = "$argv"
end
${completions.join("\n")}
`
}

function spellings({ short, long, takesValue, choices }: OptionWords): string {
  const names = [...(short === undefined ? [] : [`-s ${short.slice(1)}`]), `-l ${long.slice(2)}`].join(" ")
  if (!takesValue) return names
  return choices.length > 0 ? `${names} -x -a ${quoted(choices.join(" "))}` : `${names} -r`
}
