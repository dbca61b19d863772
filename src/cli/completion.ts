import { type Command, commonOptions } from './command.ts'
import { UsageError } from './usage-error.ts'

/** What may follow these words of a command line: the next word of a name, or the options. */
type Step = { words: string; next: string[] }

/** Every beginning of a command line, with what may come next; the same for all shells. */
export function stepsOf(commands: readonly Command[]): Step[] {
  const steps = new Map<string, Set<string>>()
  const add = (words: string, next: string) => {
    steps.set(words, (steps.get(words) ?? new Set()).add(next))
  }
  for (const { name, options } of commands) {
    const words = name.split(' ')
    for (const [index, word] of words.entries()) add(words.slice(0, index).join(' '), word)
    for (const option of Object.keys({ ...options, ...commonOptions })) add(name, `--${option}`)
  }
  return [...steps].map(([words, next]) => ({ words, next: [...next] }))
}

/** Bash and zsh look the words before the cursor up, from the longest beginning that is known. */
function shellFunction(steps: readonly Step[]): string {
  const cases = steps.map(({ words, next }) => `      '${words}') echo '${next.join(' ')}'; return ;;`)
  return `_coatcheck_next() {
  local words=("$@")
  while :; do
    case "\${words[*]}" in
${cases.join('\n')}
    esac
    # Arguments and options stand after the name: the words before them count.
    words=("\${words[@]:0:\${#words[@]}-1}")
  done
}`
}

const bash = (steps: readonly Step[]) => `${shellFunction(steps)}
_coatcheck() {
  local next
  next=$(_coatcheck_next "\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=($(compgen -W "$next" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _coatcheck coatcheck
`

const zsh = (steps: readonly Step[]) => `#compdef coatcheck
${shellFunction(steps)}
_coatcheck() {
  local next
  next=(\${(s: :)"$(_coatcheck_next "\${(@)words[2,CURRENT-1]}")"})
  compadd -- $next || _files
}
compdef _coatcheck coatcheck
`

const fish = (steps: readonly Step[]) => `function __coatcheck_next
    set -l words (commandline -opc)[2..-1]
    while true
        switch "$words"
${steps.map(({ words, next }) => `            case '${words}'\n                string split ' ' '${next.join(' ')}'\n                return`).join('\n')}
        end
        # Arguments and options stand after the name: the words before them count.
        set -e words[-1]
    end
end
complete -c coatcheck -a '(__coatcheck_next)'
`

const shells = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
])

/** The command that prints what a shell needs to complete all the others. */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: 'completion',
    arguments: ['SHELL'],
    summary: 'what bash, zsh or fish needs to complete these commands',
    options: {},
    examples: ['source <(coatcheck completion bash)'],
    async run({ argument }) {
      const script = shells.get(argument('SHELL'))
      if (!script) throw new UsageError(`completion knows ${[...shells.keys()].join(', ')}`)
      const text = script(stepsOf(all()))
      return { text, json: { script: text } }
    },
  }
}
