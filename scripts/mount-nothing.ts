// Runs the bundled program up to a mount that answers, with everything real but the kernel's side of it: so V8 compiles what a
// mount needs to start, and no more. Needs no rights and no /dev/fuse.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Addon, NativeChannel } from '../lib/sys/binding.js';

/** What the function in program.cjs is given, see lib/cli/start.cts. */
export type Program = (
  require: (target: string) => unknown,
  load: (target: string) => Promise<unknown>,
  at: (file: string) => string,
) => void;

const BUFFER = (1 << 20) + 8192;
/** INIT of protocol 7.45 with every flag: length, opcode, unique, nodeid, uid, gid, pid, then version, readahead and flags. */
const INIT = [104, 26, 1, 0, 0, 0, 0, 0, 0, 0, 7, 45, 131_072, 0x7fff_ffff, 0x7fff_ffff];

/** A kernel that asks for INIT and nothing else. */
function kernel(answered: () => void): NativeChannel {
  const requestBuffer = new ArrayBuffer(BUFFER);
  const fine = (): number => 0;
  return {
    ...{ requestBuffer, replyBuffer: new ArrayBuffer(BUFFER) },
    start: (onRequest) => {
      new Uint32Array(requestBuffer).set(INIT);
      onRequest(104);
    },
    reply: () => {
      setImmediate(answered);
      return 0;
    },
    stop: () => {},
    counters: () => ({}),
    ...{ write: fine, attach: fine, swap: fine, detach: fine, backingOpen: fine, backingClose: fine },
  };
}

/** Resolves when the mount answers; the process should end soon after. `cli` is where program.cjs belongs. */
export async function mountNothing(program: Program, cli: string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'stratafs-'));
  const [lower, upper, work, mountpoint] = ['l', 'u', 'w', 'm'].map((name) => join(place, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const directory of [lower, upper, work, mountpoint]) mkdirSync(directory);
  const list = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  process.argv = [process.execPath, join(cli, 'start.cjs'), 'mount', '-f', '-o', list, mountpoint];
  const real = createRequire(join(cli, 'start.cjs'));
  await new Promise<void>((resolve, reject) => {
    const addonOf = (root: string): Addon => {
      const addon = real('node-gyp-build')(root) as Addon;
      const openPath: Addon['syscalls']['openPath'] = (path, flags) =>
        addon.syscalls.openPath(path === '/dev/fuse' ? '/dev/null' : path, flags);
      return {
        ...addon,
        syscalls: { ...addon.syscalls, openPath, mount: () => 0 },
        openChannel: () => kernel(resolve),
      };
    };
    process.once('beforeExit', () => reject(new Error('the program ends without a mount')));
    program(
      (target) => (target === 'node-gyp-build' ? addonOf : real(target)),
      // Settings that are changed here would be part of the bytecode's, and it would be refused where they are not.
      async (target) => (target === 'node:v8' ? { setFlagsFromString: () => {} } : import(target)),
      (file) => pathToFileURL(join(cli, file)).href,
    );
  }).finally(() => rmSync(place, { recursive: true, force: true }));
}
