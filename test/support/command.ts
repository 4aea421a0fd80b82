// Runs the built `stratafs` command as a user would, with a limit on its time.

import { spawn } from 'node:child_process';
import { mainScript } from './paths.js';
import { type Ending, watch } from './server.js';

/** `stratafs ARGS…` to its end; killed after `limit` ms. */
export async function stratafs(args: readonly string[], limit = 20_000): Promise<Ending> {
  return command([process.execPath, mainScript, ...args], limit);
}

/** Any command to its end. A daemon that keeps stderr open does not hold this up. */
export async function command(argv: readonly string[], limit = 20_000): Promise<Ending> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  const { stderr } = watch(child);
  const ending = await new Promise<Ending>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, stderr: String(error) }));
    child.once('exit', (code, signal) => setTimeout(() => resolve({ code, signal, stderr: stderr() }), 50));
  });
  clearTimeout(timer);
  child.stderr.destroy();
  return ending;
}
