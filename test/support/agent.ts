// A client process of the filesystem under test. Every call goes to a small C program over a pipe,
// so that the test process itself can never hang in a dead mount, and may be any user.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AgentCalls, type Answer } from './agent-calls.js';
import { cacheDirectory, checkout } from './paths.js';
import { encode } from './tokens.js';

let compiled: string | undefined;

/** Builds the agent once for each state of its sources; the path of the program. */
export function buildAgent(): string {
  if (compiled !== undefined) return compiled;
  const source = join(checkout, 'test', 'support', 'agent');
  const files = readdirSync(source).sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(source, file)));
  const program = join(cacheDirectory(), `agent-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(program)) {
    const fresh = `${program}.${process.pid}`;
    const units = files.filter((file) => file.endsWith('.c')).map((file) => join(source, file));
    execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', fresh, ...units], { stdio: 'inherit' });
    renameSync(fresh, program);
  }
  compiled = program;
  return program;
}

type Waiter = { resolve: (answer: Answer) => void; reject: (error: Error) => void; line: string };

/** One client process; its paths are relative to `directory`. */
export class Agent extends AgentCalls {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: Waiter[] = [];
  readonly #ended: Promise<void>;
  #over = false;
  #background = false;

  private constructor(child: ChildProcessWithoutNullStreams) {
    super();
    this.#child = child;
    createInterface({ input: child.stdout, crlfDelay: 0 }).on('line', (line) => this.#onLine(line));
    child.stdin.on('error', () => this.#fail('agent does not listen'));
    child.stderr.pipe(process.stderr);
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        this.#over = true;
        this.#fail('agent ended');
        resolve();
      });
    });
  }

  /** Starts a client in `directory`. A directory that cannot be entered is an exception. */
  static async start(directory: string): Promise<Agent> {
    const agent = new Agent(spawn(buildAgent(), [], { cwd: '/' }));
    const entered = await agent.chdir(Buffer.from(directory, 'utf8').toString('latin1'));
    if (entered < 0) throw new Error(`agent cannot enter ${directory}: ${entered}`);
    return agent;
  }

  get osPid(): number {
    return this.#child.pid as number;
  }

  /** From now on the test process waits for this client only while a call is under way. */
  background(): void {
    this.#background = true;
    this.#hold(false);
  }

  #hold(held: boolean): void {
    const parts = [this.#child, this.#child.stdin, this.#child.stdout, this.#child.stderr];
    for (const part of parts as unknown as { ref(): void; unref(): void }[]) {
      if (held) part.ref();
      else part.unref();
    }
  }

  call(name: string, ...args: readonly (string | number | Uint8Array)[]): Promise<Answer> {
    const line = [name, ...args.map(encode)].join(' ');
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(new Error(`agent ended before ${line.slice(0, 120)}`));
      if (this.#background && this.#waiting.length === 0) this.#hold(true);
      this.#waiting.push({ resolve, reject, line });
      this.#child.stdin.write(`${line}\n`);
    });
  }

  /** Closes everything this client holds, by ending it. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.#ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #onLine(line: string): void {
    const [result, ...values] = line.split(' ');
    this.#waiting.shift()?.resolve({ result: Number(result), values });
    if (this.#background && this.#waiting.length === 0) this.#hold(false);
  }

  #fail(reason: string): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(new Error(`${reason}: ${waiter.line.slice(0, 160)}`));
  }
}

let host: Promise<Agent> | undefined;

/** The client for work on host directories, shared by the whole test process. */
export function hostAgent(): Promise<Agent> {
  host ??= Agent.start('/').then((agent) => {
    agent.background();
    return agent;
  });
  return host;
}
