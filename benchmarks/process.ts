// Child processes of the harness: run one to its end with a time limit, and remember which are
// running so that an interrupt can end them. Knows nothing of mounts or cases.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A command line, where it runs, and what is added to its environment. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const running = new Set<ChildProcess>();

/** Ends every child that is still running; for interrupts. */
export function killRunning(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Whether a program can be run: a path, or a name looked up in PATH. */
export function isInstalled(program: string): boolean {
  const places = program.includes('/')
    ? [program]
    : `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(delimiter).map((directory) => join(directory, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function describe(command: Command): string {
  const line = [command.file, ...command.args].join(' ');
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}

function environmentOf(command: Command): NodeJS.ProcessEnv {
  return { ...process.env, ...command.environment };
}

function settle(child: ChildProcess, command: Command, milliseconds: number, event: 'close' | 'exit'): Promise<number> {
  return new Promise((resolve, reject) => {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      child.kill('SIGKILL');
    }, milliseconds);
    running.add(child);
    const finish = (): void => {
      clearTimeout(timer);
      running.delete(child);
    };
    child.once('error', (error) => {
      finish();
      reject(error);
    });
    child.once(event, (code: number | null) => {
      finish();
      if (expired) reject(new Error(`no end within ${milliseconds / 1000} s: ${describe(command)}`));
      else resolve(code ?? 255);
    });
  });
}

function textOf(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

/** Runs a command and returns its stdout; throws with the last line of stderr when it fails. `started` is told its pid. */
export async function run(command: Command, milliseconds: number, started?: (pid: number) => void): Promise<string> {
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: environmentOf(command),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)];
  if (child.pid !== undefined) started?.(child.pid);
  const code = await settle(child, command, milliseconds, 'close');
  if (code !== 0) throw new Error(lastLine(stderr()) ?? `exit code ${code}: ${describe(command)}`);
  return stdout();
}

/** A child that says one line and goes on until its stdin ends. */
export interface Piped {
  readonly firstLine: Promise<string>;
  end(): Promise<void>;
}

export function startPiped(command: Command, milliseconds: number): Piped {
  const child = spawn(command.file, command.args, { env: environmentOf(command), stdio: ['pipe', 'pipe', 'pipe'] });
  const stderr = textOf(child.stderr);
  const settled = settle(child, command, milliseconds, 'close');
  settled.catch(() => {});
  const failed = async (): Promise<never> => {
    const code = await settled;
    throw new Error(lastLine(stderr()) ?? `exit code ${code}: ${describe(command)}`);
  };
  const said = new Promise<string>((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text);
    });
  });
  const end = async (): Promise<void> => {
    child.stdin.end();
    await settled;
  };
  return { firstLine: Promise.race([said, failed()]), end };
}

/** Runs a command that may leave a daemon behind: its output goes to `log`, its own exit is the end. */
export async function runDaemonizing(command: Command, log: string, milliseconds: number): Promise<void> {
  const output = openSync(log, 'a');
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: environmentOf(command),
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const code = await settle(child, command, milliseconds, 'exit');
  if (code !== 0) throw new Error(lastLine(readFileSync(log, 'utf8')) ?? `exit code ${code}: ${describe(command)}`);
}

function lastLine(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.trim();
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
