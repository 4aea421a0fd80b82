// What makes shells complete the command, out of the same words as the help. Names of images and containers are asked for when they
// are needed.

import { type CommandWords, inShort, type OptionWords } from '../words.js';
import type { Section } from './commands.js';
import { mountOptions } from './mount-options.js';

type Command = readonly [name: string, command: CommandWords];

/** What a word may be: one of these, or the names of something. */
type Kind = readonly string[] | 'images' | 'containers' | 'files' | 'nothing';

const isChoice = (value: string): boolean => /^[a-z0-9-]+(?:\|[a-z0-9-]+)+$/.test(value);

function kindOfValue(name: string, { value = '' }: OptionWords): Kind {
  if (isChoice(value)) return value.split('|');
  if (/\bIMAGE\b/.test(value)) return 'images';
  if (name === 'options') return mountWords();
  return /\b(?:FILE|DIR|PATH|HOST:PATH|SOCKET)\b/.test(value) ? 'files' : 'nothing';
}

/** What stands where operands stand; options with their values are no operands. */
function kindsOfOperands({ words }: CommandWords): Kind[] {
  const operands = words.replace(/\[-[^\]]*\]…?/g, '').replace(/\s-\S+ [A-Z]+/g, '');
  const choices = operands.split(/\s+/).filter(isChoice);
  if (choices.length > 0) return [choices.flatMap((one) => one.split('|'))];
  const kinds: Kind[] = [];
  if (/\bIMAGE\b/.test(operands)) kinds.push('images');
  if (/\bCONTAINER\b/.test(operands)) kinds.push('containers');
  if (/\b(?:FILE|DIR|PATH|TAR|UPPER|MOUNTPOINT|COMMAND)\b/.test(operands)) kinds.push('files');
  return kinds;
}

const mountWords = (): string[] =>
  mountOptions.flatMap(([words]) => words.split(', ').map((word) => word.replace(/=.*/, '=')));

function forms([name, { short, shortOnly }]: readonly [string, OptionWords]): string[] {
  return [...(shortOnly === true ? [] : [`--${name}`]), ...(short === undefined ? [] : [`-${short}`])];
}

const optionsOf = ([, { options = {} }]: Command): [string, OptionWords][] => Object.entries(options);

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bashKind(kind: Kind): string {
  if (kind === 'nothing') return ':';
  if (kind === 'files') return '_stratafs_files';
  if (kind === 'images' || kind === 'containers') return `_stratafs_names ${kind}`;
  return `_stratafs_words ${quoted(kind.join(' '))}`;
}

function bashValues(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) =>
    optionsOf(command)
      .filter(([, { type }]) => type === 'string')
      .map((option) => {
        const patterns = forms(option).map((form) => `${command[0]}:${form}`);
        return `    ${patterns.join(' | ')}) ${bashKind(kindOfValue(...option))}; return ;;`;
      }),
  );
  return lines.join('\n');
}

function bashOperands(commands: readonly Command[]): string {
  const lines = commands.map((command) => {
    const options = optionsOf(command).flatMap(forms).join(' ');
    const kinds = kindsOfOperands(command[1]).map((kind) => `${bashKind(kind)}; `);
    return `    ${command[0]}) if [[ $cur == -* ]]; then _stratafs_words ${quoted(options)}; else ${kinds.join('') || ':; '}fi ;;`;
  });
  return lines.join('\n');
}

function bash(commands: readonly Command[]): string {
  const names = commands.map(([name]) => name).join(' ');
  return `# Completion of stratafs for bash: source <(stratafs completion bash)
_stratafs_words() { COMPREPLY+=($(compgen -W "$1" -- "$cur")); }
_stratafs_files() { local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; }
_stratafs_names() {
  local root=() at
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ \${COMP_WORDS[at]} != --root ]] || root=(--root "\${COMP_WORDS[at + 1]}")
  done
  _stratafs_words "$("\${COMP_WORDS[0]}" completion "$1" "\${root[@]}" 2>/dev/null)"
}
_stratafs() {
  local cur prev command= at
  # Names have colons, at which bash cuts words.
  cur=\${COMP_LINE:0:COMP_POINT}
  cur=\${cur##*[[:space:]]}
  prev=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    case \${COMP_WORDS[at]} in
      --root) at=$((at + 1)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[at]}; break ;;
    esac
  done
  _stratafs_complete
  if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
    local cut=\${cur%"\${cur##*:}"} 
    COMPREPLY=("\${COMPREPLY[@]#"$cut"}")
  fi
}
_stratafs_complete() {
  case $command:$prev in
${bashValues(commands)}
  esac
  case $command in
    '') _stratafs_words ${quoted(`${names} --help --version`)} ;;
${bashOperands(commands)}
  esac
}
complete -F _stratafs stratafs
`.replace(/ +\n/g, '\n');
}

function zsh(commands: readonly Command[]): string {
  return `# Completion of stratafs for zsh: source <(stratafs completion zsh)
autoload -Uz +X compinit && compinit -u
autoload -Uz +X bashcompinit && bashcompinit
${bash(commands).replace(/^#.*\n/, '')}`;
}

function fishKind(kind: Kind): string {
  if (kind === 'files') return ' -F';
  if (kind === 'nothing') return ' -f';
  return ` -f -a ${quoted(typeof kind === 'string' ? `(stratafs completion ${kind} 2>/dev/null)` : kind.join(' '))}`;
}

function fishCommand(command: Command): string[] {
  const [name, words] = command;
  const when = `-n '__fish_seen_subcommand_from ${name}'`;
  const options = optionsOf(command).map(([key, option]) => {
    const long = option.shortOnly === true ? '' : ` -l ${key}`;
    const short = option.short === undefined ? '' : ` -s ${option.short}`;
    const value = option.type === 'string' ? ` -r${fishKind(kindOfValue(key, option))}` : '';
    return `complete -c stratafs ${when}${long}${short}${value} -d ${quoted(option.about ?? '')}`;
  });
  const operands = kindsOfOperands(words).map((kind) => `complete -c stratafs ${when}${fishKind(kind)}`);
  return [...operands, ...options];
}

function fish(commands: readonly Command[]): string {
  const first = commands.map(
    ([name, words]) => `complete -c stratafs -n __fish_use_subcommand -f -a ${name} -d ${quoted(inShort(words))}`,
  );
  const lines = ['# Completion of stratafs for fish: stratafs completion fish | source', 'complete -c stratafs -f'];
  return `${[...lines, ...first, ...commands.flatMap(fishCommand)].join('\n')}\n`;
}

const shells: Readonly<Record<string, (commands: readonly Command[]) => string>> = { bash, zsh, fish };

/** The script for one shell; null for shells that are not known. */
export function completionFor(shell: string, sections: readonly Section[]): string | null {
  const write = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
  return write === undefined ? null : write(sections.flatMap(({ commands }) => commands));
}
