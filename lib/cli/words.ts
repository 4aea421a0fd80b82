// What a command is called with, as data: its parser, --help, the manual page and completion all read the same words.

export interface OptionWords {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  readonly default?: string;
  /** What its value is called; words in small letters with bars between them are all there are. */
  readonly value?: string;
  readonly about?: string;
  /** Has no long form. */
  readonly shortOnly?: boolean;
}

export interface CommandWords {
  /** What follows the command's name in its usage line. */
  readonly words: string;
  /** Sentences; the first one stands for it in lists. */
  readonly about: string;
  readonly options?: Readonly<Record<string, OptionWords>>;
}

/** `-m, --message TEXT` */
export function optionForms(name: string, { short, shortOnly, value, type }: OptionWords): string {
  const forms = [...(short === undefined ? [] : [`-${short}`]), ...(shortOnly === true ? [] : [`--${name}`])];
  return `${forms.join(', ')}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`;
}

/** What stands for a command in a list. */
export function inShort({ about }: CommandWords): string {
  return about.replace(/[;:.](?:\s.*)?$/s, '').replace(/[;:.]\s.*$/s, '');
}

function row(left: string, right: string, width: number, indent: number): string {
  const lines = folded(right, width - indent - 2);
  const head = left.length > indent - 4 ? `  ${left}\n${' '.repeat(indent)}` : `  ${left}`.padEnd(indent);
  return `${head}${lines.join(`\n${' '.repeat(indent)}`)}\n`;
}

/** `text` in lines of at most `width` characters. */
export function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const WIDTH = 100;
const INDENT = 26;

/** Names and what they mean, in two columns. */
export function twoColumns(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([left, right]) => row(left, right, WIDTH, INDENT)).join('');
}

/** The answer to `stratafs NAME --help`. */
export function helpOf(name: string, command: CommandWords): string {
  const { words, about, options = {} } = command;
  const rows = Object.entries(options).map(([key, option]) => [optionForms(key, option), option.about ?? ''] as const);
  const usage = `usage: stratafs ${name} ${words}`.trimEnd();
  return `${usage}\n${folded(about, WIDTH).join('\n')}\n${rows.length === 0 ? '' : '\n'}${twoColumns(rows)}`;
}
