import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A command of the tree as completions need it. */
interface Entry {
  /** Words behind `postern`, joined by a space; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly Command[];
  readonly options: readonly Option[];
}

/** The script by which a shell completes commands, flags and their choices. It is complete in itself: it calls nothing. */
export function completionScript(shell: Shell, program: Command): string {
  const entries = walk(program, '');
  if (shell === 'bash') return bash(entries);
  return shell === 'zsh' ? zsh(entries) : fish(entries);
}

function walk(command: Command, path: string): Entry[] {
  const own = {
    path,
    commands: command.commands,
    options: command.options.filter((option) => !option.hidden),
  };
  return [own, ...command.commands.flatMap((child) => walk(child, `${path} ${child.name()}`.trim()))];
}

const flags = (option: Option): string[] => [option.short, option.long].filter((flag) => flag !== undefined);
const takesValue = (option: Option): boolean => option.required || option.optional;

/** Finds the longest command path among the words before the cursor; the same few lines serve bash and zsh. */
function findPath(entries: readonly Entry[]): string {
  const paths = entries.filter((entry) => entry.path !== '').map((entry) => `"${entry.path}"`);
  return `  local path="" word
  for word in "\${before[@]}"; do
    [[ "$word" == "--" ]] && return 0
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done`;
}

function valueCases(entries: readonly Entry[], complete: (choices: readonly string[]) => string): string {
  const cases = entries.flatMap((entry) =>
    entry.options.filter(takesValue).map((option) => {
      const patterns = flags(option).map((flag) => `"${entry.path} ${flag}"`);
      return `    ${patterns.join('|')}) ${complete(option.argChoices ?? [])}; return 0 ;;`;
    }),
  );
  return cases.join('\n');
}

function wordCases(entries: readonly Entry[], line: (entry: Entry) => string): string {
  return entries.map((entry) => `    "${entry.path}") ${line(entry)} ;;`).join('\n');
}

function bash(entries: readonly Entry[]): string {
  const words = (entry: Entry): string =>
    [...entry.commands.map((command) => command.name()), ...entry.options.flatMap(flags), '--help'].join(' ');
  return `# bash completion for postern
_postern() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${findPath(entries)}
  case "$path $previous" in
${valueCases(entries, (choices) => (choices.length > 0 ? `COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$current"))` : 'COMPREPLY=()'))}
  esac
  case "$path" in
${wordCases(entries, (entry) => `words="${words(entry)}"`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _postern postern
`;
}

function zsh(entries: readonly Entry[]): string {
  const item = (name: string, about: string): string => quote(`${name.replaceAll(':', '\\:')}:${about}`);
  const words = (entry: Entry): string =>
    [
      ...entry.commands.map((command) => item(command.name(), command.description())),
      ...entry.options.flatMap((option) => flags(option).map((flag) => item(flag, option.description))),
      item('--help', 'display help for command'),
    ].join(' ');
  return `#compdef postern
# zsh completion for postern
_postern() {
  local previous="\${words[CURRENT-1]}"
  local -a before items
  before=("\${(@)words[2,CURRENT-1]}")
${findPath(entries)}
  case "$path $previous" in
${valueCases(entries, (choices) => (choices.length > 0 ? `compadd -- ${choices.join(' ')}` : '_files'))}
  esac
  case "$path" in
${wordCases(entries, (entry) => `items=(${words(entry)})`)}
  esac
  _describe 'postern' items || _files
}
if [[ "\${funcstack[1]}" == "_postern" ]]; then _postern "$@"; else compdef _postern postern; fi
`;
}

function fish(entries: readonly Entry[]): string {
  const lines = entries.flatMap((entry) => {
    const at = `complete -c postern -n '__postern_at "${entry.path}"'`;
    return [
      ...entry.commands.map((command) => `${at} -f -a ${command.name()} -d ${quote(command.description())}`),
      ...entry.options.map((option) => {
        const value = !takesValue(option)
          ? ''
          : option.argChoices
            ? ` -x -a '${option.argChoices.join(' ')}'`
            : ' -r';
        const short = option.short ? ` -s ${option.short.slice(1)}` : '';
        return `${at}${short} -l ${option.long?.slice(2) ?? ''}${value} -d ${quote(option.description)}`;
      }),
    ];
  });
  const paths = entries.filter((entry) => entry.path !== '').map((entry) => `"${entry.path}"`);
  return `# fish completion for postern
function __postern_at
  set -l path ""
  for word in (commandline -opc)[2..]
    test "$word" = "--"; and return 1
    set -l longer (string trim "$path $word")
    contains -- "$longer" ${paths.join(' ')}; and set path "$longer"
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
