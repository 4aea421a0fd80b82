// Runs the bundled program through the first requests of a mount, with everything real but the kernel's side of it: so V8
// compiles what a mount needs to start and to do its usual work, and no more. Needs no rights and no /dev/fuse.

import { Buffer } from 'node:buffer';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Addon, NativeChannel } from '../lib/sys/binding.js';
import { INLINE_BYTES } from '../lib/union/copy-data.js';

/** What the function in program.cjs is given, see lib/cli/start.cts. */
export type Program = (
  require: (target: string) => unknown,
  load: (target: string) => Promise<unknown>,
  at: (file: string) => string,
) => void;

const BUFFER = (1 << 20) + 8192;
/** INIT of protocol 7.45 with every flag: length, opcode, unique, nodeid, uid, gid, pid, then version, readahead and flags. */
const INIT = [104, 26, 1, 0, 0, 0, 0, 0, 0, 0, 7, 45, 131_072, 0x7fff_ffff, 0x7fff_ffff];

/** A request to the root, or to what a name that was looked up or made before stands for. */
type Sent = readonly [opcode: number, to: 1 | string, words: readonly number[], names?: string];
const words = (count: number, set: Readonly<Record<number, number>> = {}): number[] =>
  Array.from({ length: count }, (_, at) => set[at] ?? 0);
const [O_WRONLY, MODE] = [1, 0o644];
/** What most mounts are asked for. Fhs are minted from 1 on; `a`, `b` and the directory `d` with `f`, `g` and `large` are a lower's. */
const usual: readonly Sent[] = [
  [3, 1, words(4)], // GETATTR
  [44, 1, words(10, { 4: 4096 })], // READDIRPLUS
  [28, 1, words(10, { 4: 4096 })], // READDIR
  [1, 1, [], 'a'], // LOOKUP
  [1, 1, [], 'b'],
  [1, 1, [], 'nothing'],
  [14, 'a', words(2)], // OPEN, fh 1
  [18, 'a', words(6, { 0: 1 })], // RELEASE
  [4, 'a', words(22, { 0: 1, 17: 0o600 })], // SETATTR, a copy-up
  [14, 'b', words(2, { 0: O_WRONLY })], // OPEN, a copy-up, fh 2
  [22, 'b', words(2), 'security.capability'], // GETXATTR
  [18, 'b', words(6, { 0: 2 })],
  [35, 1, [O_WRONLY, 0o100000 | MODE, 0, 0], 'c'], // CREATE, fh 3
  [18, 'c', words(6, { 0: 3 })],
  [9, 1, [0o755, 0], 'e'], // MKDIR
  [6, 1, [], 's\0target'], // SYMLINK
  [45, 1, [1, 0, 0, 0], 'b\0r'], // RENAME2
  [1, 1, [], 'd'],
  [44, 'd', words(10, { 4: 4096 })], // READDIRPLUS
  [1, 'd', [], 'f'],
  [1, 'd', [], 'g'],
  [1, 'd', [], 'large'],
  [4, 'f', words(22, { 0: 1, 17: 0o600 })], // SETATTR, a copy-up with a directory
  [14, 'large', words(2, { 0: O_WRONLY })], // OPEN, a copy-up that others wait for, fh 4
  [18, 'large', words(6, { 0: 4 })],
  [45, 'd', [1, 0, 0, 0], 'g\0h'], // RENAME2 of a lower's file
  [35, 'd', [O_WRONLY, 0o100000 | MODE, 0, 0], 'n'], // CREATE, fh 5
  [18, 'n', words(6, { 0: 5 })],
  [10, 'd', [], 'n'],
  [10, 'd', [], 'f'],
  [9, 'd', [0o755, 0], 'i'],
  [11, 'd', [], 'i'],
  [10, 1, [], 'a'], // UNLINK, a whiteout
  [10, 1, [], 'c'],
  [11, 1, [], 'e'], // RMDIR
  [17, 1, []], // STATFS
];

/**
 * What the data plane did by itself in the root, as union/changes.ts reads it: a file made and opened, a directory made, the
 * file removed.
 */
const FILE = 2 ** 40;
const CHANGES = [
  ...[4],
  ...[0, 1, FILE, 1, 1, 0, 0o100000, 0, 0, 0, 0, 0],
  ...[3, 0, FILE, 0, 0, 0, 0, FILE + 2, -1, 0, 0, 0],
  ...[0, 1, FILE + 1, 1, 2, 0, 0o040000, 0, 0, 0, 0, 0],
  ...[1, 1, FILE, 1, 0, 0, 0, 0, -1, 0, 0, 1],
];

function message([opcode, , body, names]: Sent, nodeid: number, unique: number): Uint8Array {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const head = new Uint32Array([0, opcode, unique, 0, nodeid, 0, uid, gid, 0, 0]);
  const tail = names === undefined ? [] : [Buffer.from(`${names}\0`)];
  const bytes = Buffer.concat([Buffer.from(head.buffer), Buffer.from(new Uint32Array(body).buffer), ...tail]);
  bytes.writeUInt32LE(bytes.length);
  return bytes;
}

/** A kernel that asks for INIT, then for what is usual, one after the other. */
function kernel(answered: () => void): NativeChannel {
  const requestBuffer = new ArrayBuffer(BUFFER);
  const replyBuffer = new ArrayBuffer(BUFFER);
  const fine = (): number => 0;
  const nodeids = new Map<1 | string, number>([[1, 1]]);
  const waiting = [...usual];
  let last: Sent | undefined;
  let ask: (length: number) => void = () => {};
  let changed = (): void => {};
  return {
    ...{ requestBuffer, replyBuffer },
    start: (onRequest) => {
      ask = onRequest;
      new Uint32Array(requestBuffer).set(INIT);
      ask(104);
    },
    reply: () => {
      // An entry begins with its nodeid.
      if (last?.[3] !== undefined) nodeids.set(last[3], new Uint32Array(replyBuffer)[4] as number);
      setImmediate(() => {
        last = waiting.shift();
        if (waiting.length === 0) changed();
        if (last === undefined) return answered();
        const bytes = message(last, nodeids.get(last[1]) ?? 0, 2 * (usual.length - waiting.length) + 2);
        new Uint8Array(requestBuffer).set(bytes);
        ask(bytes.length);
      });
      return 0;
    },
    stop: () => {},
    counters: () => ({}),
    ...{ tell: () => undefined, negatives: () => undefined, hide: () => undefined },
    ...{ open: () => undefined, change: () => undefined },
    log: (records, names) => {
      names.set(Buffer.from('xyx'));
      changed = () => records.set(CHANGES);
    },
    ...{ mirror: fine, mirrorDirectory: () => undefined, unmirror: () => undefined },
    ...{
      serveRows: () => undefined,
      endRows: () => undefined,
      dropRows: () => undefined,
      putRows: fine,
      listed: () => undefined,
      enterRows: () => undefined,
      allowRows: () => undefined,
      rowsIn: fine,
      takeRows: () => null,
      liveRows: fine,
      allowLinks: () => undefined,
      ownLinks: () => undefined,
      linkedNode: fine,
      ledTo: fine,
      takeLinks: () => null,
      takeOpen: () => null,
      nodeOfOpen: fine,
      openRows: () => new Float64Array(0),
      beginListing: () => true,
      fillsListing: () => true,
      askedIn: () => undefined,
    },
    ...{ write: fine, attach: fine, swap: fine, detach: fine, backingOpen: () => 1, backingClose: fine },
    ...{ stand: fine, withdraw: () => false, reclaim: fine, ioctls: () => {} },
  };
}

/** The addon, but that mounting does nothing and the channel leads to `kernel`. */
function onNothing(addon: Addon, answered: () => void): Addon {
  const openPath: Addon['syscalls']['openPath'] = (path, flags) =>
    addon.syscalls.openPath(path === '/dev/fuse' ? '/dev/null' : path, flags);
  return {
    ...addon,
    syscalls: { ...addon.syscalls, openPath, mount: () => 0 },
    openChannel: () => kernel(answered),
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
  for (const directory of [lower, upper, work, mountpoint, join(lower, 'd')]) mkdirSync(directory);
  for (const file of ['a', 'b', 'd/f', 'd/g']) writeFileSync(join(lower, file), file);
  writeFileSync(join(lower, 'd', 'large'), Buffer.alloc(INLINE_BYTES + 1, 'l'));
  const list = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  process.argv = [process.execPath, join(cli, 'start.cjs'), 'mount', '-f', '-o', list, mountpoint];
  const mask = process.umask();
  const load = process.dlopen;
  await new Promise<void>((resolve, reject) => {
    process.dlopen = (module, file) => {
      load.call(process, module, file);
      (module as { exports: Addon }).exports = onNothing((module as { exports: Addon }).exports, resolve);
    };
    process.once('beforeExit', () => reject(new Error('the program ends without a mount')));
    program(
      createRequire(join(cli, 'start.cjs')),
      // Settings that are changed here would be part of the bytecode's, and it would be refused where they are not.
      async (target) => (target === 'node:v8' ? { setFlagsFromString: () => {} } : import(target)),
      (file) => pathToFileURL(join(cli, file)).href,
    );
  }).finally(() => {
    process.dlopen = load;
    process.umask(mask);
    rmSync(place, { recursive: true, force: true });
  });
}
