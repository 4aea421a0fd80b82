// What the commands for images have in common: where the store is, --json, one line for an error, progress for those who
// watch. A command is a value: its words, its options, and what it does.

import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ErrnoError, errno } from '../errno.js';
import { ImageError } from '../image/error.js';
import { type Access, Store } from '../image/store.js';
import { TarError } from '../image/tar/entry.js';
import { MountError } from '../union/layers.js';
import { ProgressLines } from './progress-lines.js';
import { type CommandWords, helpOf, type OptionWords } from './words.js';

type Options = Readonly<Record<string, OptionWords>>;
type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** One run of a command. */
export class Call {
  readonly operands: readonly string[];
  readonly root: string;
  readonly json: boolean;
  readonly progress: ProgressLines;
  readonly #values: Values;

  constructor(values: Values, operands: readonly string[]) {
    this.#values = values;
    this.operands = operands;
    this.root = checkedRoot(storeRoot(this.text('root')));
    this.json = this.flag('json');
    this.progress = new ProgressLines(process.stderr, this.flag('quiet'));
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | null {
    const value = this.#values[name];
    return typeof value === 'string' ? value : null;
  }

  /** Every value of an option that may come several times. */
  texts(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  store<T>(access: Access, use: (store: Store) => Promise<T>): Promise<T> {
    const waiting = (): void => this.progress.line(`waiting for another process that uses ${this.root}`);
    return Store.with(this.root, access, use, waiting);
  }

  /** The answer: `value` for machines, `text` for people. */
  answer(value: unknown, text: string | (() => string)): void {
    const shown = typeof text === 'string' ? text : text();
    process.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : shown);
  }
}

export interface ImageCommand extends CommandWords {
  /** The first operand ends the options: what follows is another program's. */
  readonly wraps?: boolean;
  /** How many words it takes besides options: least and most. */
  readonly operands: readonly [least: number, most: number];
  run(call: Call): Promise<void>;
}

/** Options of every command of the family. */
export const common = {
  root: {
    type: 'string',
    value: 'DIR',
    about: `the store, else STRATAFS_ROOT, else /var/lib/stratafs for root and ~/.local/share/stratafs for others`,
  },
  json: { type: 'boolean', about: 'the answer as JSON' },
  quiet: { type: 'boolean', short: 'q', about: 'no progress; of lists only the names' },
  help: { type: 'boolean', short: 'h', about: 'this text' },
} as const;

const SYSTEM_STORE = '/var/lib/stratafs';

/** --root, STRATAFS_ROOT, the machine's store for root, one's own for everybody else. */
export function storeRoot(option: string | null): string {
  const chosen = option ?? process.env.STRATAFS_ROOT;
  if (chosen) return resolve(chosen);
  if (process.geteuid?.() === 0) return SYSTEM_STORE;
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'stratafs');
}

/** What is there and is no directory can be no store. */
function checkedRoot(root: string): string {
  let isDirectory = true;
  try {
    isDirectory = statSync(root).isDirectory();
    if (isDirectory) accessSync(root, constants.R_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') {
      const next = 'its owner can share it by chmod 755; --root or STRATAFS_ROOT names another one';
      throw new ImageError(`the store ${root} cannot be read (permission denied): ${next}`);
    }
    if (code === 'ENOTDIR') isDirectory = false;
  }
  if (isDirectory) return root;
  throw new ImageError(`the store ${root} is no directory: name another one by --root or STRATAFS_ROOT`);
}

/** Where the first word is that is neither an option nor the value of one. */
function firstOperand(argv: readonly string[], options: Options): number {
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] as string;
    if (word === '--') return at + 1;
    if (!word.startsWith('-') || word === '-') return at;
    const long = word.startsWith('--');
    const key = long ? word.slice(2) : word.slice(-1);
    const [, option] = Object.entries(options).find(([full, { short }]) => (long ? full : short) === key) ?? [];
    if (option?.type === 'string' && (long || word.length === 2)) at += 1;
  }
  return argv.length;
}

function parse(name: string, command: ImageCommand, argv: readonly string[]): { values: Values; operands: string[] } {
  const options = { ...common, ...command.options };
  const end = command.wraps === true ? firstOperand(argv, options) : argv.length;
  try {
    const { values, positionals } = parseArgs({ args: argv.slice(0, end), options, allowPositionals: true });
    return { values: values as Values, operands: [...positionals, ...argv.slice(end)] };
  } catch (error) {
    const [first = ''] = (error as Error).message.split(/[.?]\s/);
    throw new ImageError(`${first}; see stratafs ${name} --help`);
  }
}

const full = new Set<unknown>(['ENOSPC', 'EDQUOT', errno.ENOSPC, errno.EDQUOT]);

/** Files and hosts that are not as they should be are no defect of the program. */
function explained(error: unknown, root: string): string {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  if (code !== undefined && full.has(code)) {
    const next = '`stratafs gc` removes what no image uses, --root names another one';
    return `no space left for the store ${root} (${message}): ${next}`;
  }
  const kinds = [ImageError, TarError, MountError, ErrnoError];
  if (kinds.some((kind) => error instanceof kind) || typeof code === 'string') return message.replaceAll('\n', ' ');
  return stack ?? String(error);
}

/** Nobody reads the output any more, or there is no room for it: what was written is not whole. */
function outputFailed(error: NodeJS.ErrnoException): never {
  if (error.code !== 'EPIPE') process.stderr.write(`stratafs: standard output: ${error.message}\n`);
  process.exit(1);
}

/** Runs one command of the family to its exit code. */
export async function runImageCommand(name: string, command: ImageCommand, argv: readonly string[]): Promise<number> {
  // What is shared is to be read by whoever may enter the store.
  process.umask(0o022);
  process.stdout.on('error', outputFailed);
  let call: Call | null = null;
  try {
    const { values, operands } = parse(name, command, argv);
    if (values.help === true) {
      process.stdout.write(helpOf(name, { ...command, options: { ...command.options, ...common } }));
      return 0;
    }
    const [least, most] = command.operands;
    if (operands.length < least || operands.length > most) {
      const what = operands.length < least ? 'a word is missing' : `'${operands[most]}' is one word too many`;
      const usage = `stratafs ${name} ${command.words}`.trimEnd();
      throw new ImageError(`${what}; usage: ${usage}; see stratafs ${name} --help`);
    }
    call = new Call(values, operands);
    await command.run(call);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    call?.progress.clear();
    process.stderr.write(`stratafs: ${explained(error, call?.root ?? '')}\n`);
    return 1;
  } finally {
    call?.progress.clear();
  }
}
