// `stratafs bench`: starts the benchmark harness as a process of its own. Nothing of it is loaded here.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MountError } from '../union/layers.js';

const harness = fileURLToPath(new URL('../../benchmarks/run.js', import.meta.url));

/** Entry of the command: returns the harness's exit code. */
export function benchCommand(argv: readonly string[]): Promise<number> {
  if (!existsSync(harness)) throw new MountError(`bench: ${harness} is not built`);
  const child = spawn(process.execPath, [harness, ...argv], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
