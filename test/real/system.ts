// The Debian system and its layers, and commands chrooted into a mount of them. The test process itself never touches
// the mount: each command is a child with a limit, and one that cannot be killed is left to the end of its mount.

import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout } from '../support/paths.js';
import { dir, file, makeTree, whiteout } from '../support/tree.js';
import type { Step } from './steps.js';

const example = join(checkout, 'scripts', 'example-debian');

/** The exit code with which scripts/example-debian says that there is no mirror. */
const UNAVAILABLE = 75;

const KEPT_OUTPUT = 8000;

export interface Outcome {
  /** null when it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** Runs a command to its end or for `limit` seconds; then it is killed, and not waited for long. */
export async function run(argv: readonly string[], limit: number): Promise<Outcome> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const begun = Date.now();
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (data: Buffer) => {
      output[name] = (output[name] + data.toString()).slice(-KEPT_OUTPUT);
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    const killer = setTimeout(() => child.kill('SIGKILL'), limit * 1000);
    const leaver = setTimeout(() => resolve(null), limit * 1000 + 3000);
    const end = (code: number | null): void => {
      clearTimeout(killer);
      clearTimeout(leaver);
      resolve(code);
    };
    child.once('error', (error) => {
      output.stderr += String(error);
      end(null);
    });
    child.once('close', end);
  });
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  return { code, ...output, seconds: (Date.now() - begun) / 1000 };
}

/** `set -e` does not see a command with a `!` fail. */
const prelude = `
  set -eux -o pipefail
  not() { if "$@"; then return 1; fi; }
`;

/** Runs a step's script chrooted into `root`, in namespaces of its own. */
export function perform(step: Step, root: string): Promise<Outcome> {
  return run([example, 'enter', root, '/bin/bash', '-c', prelude + step.script], step.limit);
}

/** Where the Debian root filesystem is, or why there can be none here. */
export async function debianRoot(): Promise<{ path: string } | { missing: string }> {
  const { code, stdout, stderr } = await run([example, 'root'], 240);
  if (code === UNAVAILABLE) return { missing: stderr.trim() };
  if (code !== 0) throw new Error(`no Debian root filesystem (${code}): ${stderr}`);
  return { path: stdout.trim() };
}

/** The layers that lie over the root filesystem, made in `base`, top first. */
export async function overlayers(base: string): Promise<string[]> {
  const [patch, settings] = [join(base, 'patch'), join(base, 'settings')];
  const { code, stderr } = await run([example, 'settings', settings], 30);
  if (code !== 0) throw new Error(`no layer of settings: ${stderr}`);
  await mkdir(patch);
  const share = dir({
    'common-licenses': dir({ PATCHED: file('only this one\n') }, { opaque: 'trusted', mode: 0o755 }),
    doc: dir({ tzdata: whiteout() }, { mode: 0o755 }),
  });
  await makeTree(patch, {
    '.': dir({}, { mode: 0o755 }),
    etc: dir({ 'issue.net': whiteout(), motd: file('patched\n') }, { mode: 0o755 }),
    usr: dir({ share }, { mode: 0o755 }),
  });
  return [patch, settings];
}
