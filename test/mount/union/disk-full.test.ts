// A small filesystem beneath the upper that has no block or no inode left: the call answers ENOSPC,
// upper and merged view are as before it, nothing stays in the workdir, and once there is room again
// the same call is done.

import { closeSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { Agent } from '../../support/agent.js';
import { command } from '../../support/command.js';
import { chosen, missing, native, nativeCached } from '../../support/configs.js';
import { O, shownResult } from '../../support/linux.js';
import { type Mounted, withMount } from '../../support/mounts.js';
import { differences, dir, file, readTree, symlink, type TreeSpec, whiteout } from '../../support/tree.js';

type Act = (a: Agent) => Promise<number>;

interface Case {
  /** What there is none of. */
  readonly no: 'blocks' | 'inodes';
  readonly lower?: TreeSpec;
  readonly upper?: TreeSpec;
  readonly act: Act;
  /** Done all the same: it needs nothing that is not there. */
  readonly succeeds?: true;
  /** Parents that were copied up stay, as they do in kernel overlayfs. */
  readonly parentsStay?: true;
  /** The host itself has touched the file's time before it finds no room. */
  readonly touches?: true;
}

const long = 'n'.repeat(200);
const openWrite: Act = async (a) => {
  const fd = await a.open('f', O.WRONLY);
  return fd < 0 ? fd : a.close(fd);
};

/** Opens `f`, which is in the upper, calls, closes. */
const onUpper =
  (call: (a: Agent, fd: number) => Promise<number>): Act =>
  async (a) => {
    const fd = await a.open('f', O.WRONLY);
    if (fd < 0) return fd;
    const result = await call(a, fd);
    await a.close(fd);
    return result;
  };

const tree = dir({ in: 'in', sub: dir({ deep: 'deep' }) });

const cases: Readonly<Record<string, Case>> = {
  'copy-up of a small file': { no: 'blocks', lower: { f: 's'.repeat(5000) }, act: openWrite },
  'copy-up of a large file': { no: 'blocks', lower: { f: 'l'.repeat(3_000_000) }, act: openWrite },
  'copy-up for a chmod': { no: 'blocks', lower: { f: 's'.repeat(5000) }, act: (a) => a.chmod('f', 0o600) },
  'copy-up of a directory': { no: 'blocks', lower: { d: tree }, act: (a) => a.chmod('d', 0o700) },
  'copy-up of a chain': {
    no: 'blocks',
    lower: { d: dir({ e: dir({ f: 's'.repeat(5000) }) }) },
    act: (a) => a.chmod('d/e/f', 0o600),
    parentsStay: true,
  },
  'copy-up of a long symlink': {
    no: 'blocks',
    lower: { l: symlink(long) },
    act: (a) => a.rename('l', 'k'),
  },
  mkdir: { no: 'blocks', act: (a) => a.mkdir('new') },
  'mkdir over a whiteout': {
    no: 'blocks',
    lower: { d: tree },
    upper: { d: whiteout() },
    act: (a) => a.mkdir('d'),
  },
  symlink: { no: 'blocks', act: (a) => a.symlink(long, 'new') },
  'rename of a lower directory': { no: 'blocks', lower: { d: tree }, act: (a) => a.rename('d', 'e') },
  'rename that needs a long redirect': {
    no: 'blocks',
    lower: { a: dir({ [long]: tree }), b: dir({}) },
    upper: { a: dir({ [long]: dir({}) }), b: dir({}) },
    act: (a) => a.rename(`a/${long}`, 'b/x'),
  },
  'rename of a lower file': { no: 'blocks', lower: { f: 's'.repeat(5000) }, act: (a) => a.rename('f', 'g') },
  setxattr: { no: 'blocks', upper: { f: 'f' }, act: (a) => a.setxattr('f', 'user.x', 'v'.repeat(700)) },
  write: {
    no: 'blocks',
    upper: { f: '' },
    act: onUpper((a, fd) => a.pwrite(fd, 'w'.repeat(20_000), 0)),
    touches: true,
  },
  fallocate: { no: 'blocks', upper: { f: '' }, act: onUpper((a, fd) => a.fallocate(fd, 0, 0, 1 << 20)), touches: true },
  'removing a lower file': { no: 'blocks', lower: { f: 'f' }, act: (a) => a.unlink('f'), succeeds: true },
  'removing a merged directory': {
    no: 'blocks',
    lower: { d: dir({ f: 'f' }) },
    upper: { d: dir({ f: whiteout() }) },
    act: (a) => a.rmdir('d'),
    succeeds: true,
  },
  'removing an upper file': { no: 'blocks', upper: { f: 'f' }, act: (a) => a.unlink('f'), succeeds: true },
  create: { no: 'inodes', act: (a) => a.put('new', '') },
  'create over a whiteout': { no: 'inodes', lower: { f: 'f' }, upper: { f: whiteout() }, act: (a) => a.put('f', '') },
  'mkdir without an inode': { no: 'inodes', act: (a) => a.mkdir('new') },
  'symlink without an inode': { no: 'inodes', act: (a) => a.symlink('to', 'new') },
  'copy-up without an inode': { no: 'inodes', lower: { f: file('f', { mode: 0o640 }) }, act: openWrite },
  'rename without an inode': { no: 'inodes', lower: { f: 'f' }, act: (a) => a.rename('f', 'g') },
  'rename of an upper file that covers a lower one': {
    no: 'inodes',
    lower: { f: 'lower' },
    upper: { f: 'upper' },
    act: (a) => a.rename('f', 'g'),
  },
  'removing a lower file without an inode': { no: 'inodes', lower: { f: 'f' }, act: (a) => a.unlink('f') },
  'removing a new file without an inode': {
    no: 'inodes',
    upper: { f: 'f' },
    act: (a) => a.unlink('f'),
    succeeds: true,
  },
  'a link without an inode': { no: 'inodes', upper: { f: 'f' }, act: (a) => a.link('f', 'g'), succeeds: true },
};

/** ext4 of a few MB, all of it for files. */
async function smallDisk(path: string): Promise<void> {
  const image = join(dirname(path), 'disk.img');
  closeSync(openSync(image, 'w'));
  truncateSync(image, 6 << 20);
  const made = await command(['mkfs.ext4', '-q', '-F', '-m', '0', '-O', '^has_journal', '-N', '128', image]);
  if (made.code !== 0) throw new Error(`mkfs.ext4: ${made.stderr}`);
  const mounted = await command(['mount', '-o', 'loop', image, path]);
  if (mounted.code !== 0) throw new Error(`mount: ${mounted.stderr}`);
  rmSync(join(path, 'lost+found'), { recursive: true });
}

const ballast = (m: Mounted): string => join(dirname(m.upper), 'ballast');

/** Writes until nothing more goes in, in ever smaller pieces. */
function takeBlocks(m: Mounted): void {
  const fd = openSync(ballast(m), 'w');
  for (const piece of [1 << 18, 1 << 12, 1 << 10]) {
    const bytes = Buffer.alloc(piece, 1);
    try {
      for (;;) writeSync(fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(fd);
}

function takeInodes(m: Mounted): void {
  try {
    for (let at = 0; ; at += 1) closeSync(openSync(`${ballast(m)}${at}`, 'w'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function giveBack(m: Mounted): void {
  const parent = dirname(m.upper);
  for (const name of readdirSync(parent)) if (name.startsWith('ballast')) rmSync(join(parent, name));
}

/** Names in WORK/work beside the shared whiteout. */
function leftovers(m: Mounted): string[] {
  const work = join(m.layers.work as string, 'work');
  return readdirSync(work).filter((name) => !statSync(join(work, name)).isCharacterDevice());
}

async function views(m: Mounted, mtime: boolean): Promise<[Record<string, string>, Record<string, string>]> {
  return [await m.tree({ mtime }), await readTree(m.upper, { mtime })];
}

async function refused(t: Test, one: Case, m: Mounted): Promise<void> {
  const before = await views(m, one.touches !== true);
  if (one.no === 'blocks') takeBlocks(m);
  else takeInodes(m);
  const result = await one.act(m.client);
  if (one.succeeds === true) {
    t.ok(result >= 0, `done: ${shownResult(result)}`);
    t.same(leftovers(m), [], 'nothing stays in the workdir');
    return;
  }
  t.equal(shownResult(result), 'ENOSPC');
  t.same(leftovers(m), [], 'nothing stays in the workdir');
  const after = await views(m, one.touches !== true);
  t.same(differences(after[0], before[0]), [], 'the merged view is as before');
  if (one.parentsStay !== true) t.same(differences(after[1], before[1]), [], 'the upper is as before');
  t.equal(shownResult(await one.act(m.client)), 'ENOSPC', 'and again');
  giveBack(m);
  const second = await one.act(m.client);
  t.ok(second >= 0, `done when there is room: ${shownResult(second)}`);
  t.same(differences(await m.kernelTree(), await m.tree()), [], 'kernel overlayfs sees the same');
}

for (const config of chosen([native, nativeCached])) {
  const reason = missing(config);
  for (const [name, one] of Object.entries(cases)) {
    const isData = ['write', 'fallocate', 'copy-up of a large file'].includes(name);
    if (config.name !== 'native' && !isData) continue;
    const { lower = {}, upper = {} } = one;
    const setup = { config, lowers: [lower], upper, filesystem: smallDisk };
    await t.test(`${name}, ${config.name}`, reason === undefined ? {} : { skip: reason }, (t) =>
      withMount(t, setup, (m) => refused(t, one, m)),
    );
  }
}

await t.test('a full filesystem is mounted with all its features', (t) =>
  withMount(t, { config: native, lowers: [{ f: 'f', g: 'g' }], filesystem: smallDisk }, async (m) => {
    await m.unmount();
    takeBlocks(m);
    await m.mount();
    t.equal(await m.client.unlink('f'), 0);
    t.ok(statSync(join(m.upper, 'f')).isCharacterDevice(), 'the whiteout is a device');
    await m.unmount();
    giveBack(m);
    takeInodes(m);
    await m.mount();
    t.equal(shownResult(await m.client.unlink('g')), 'ENOSPC');
    giveBack(m);
    t.equal(await m.client.unlink('g'), 0);
    t.same(readdirSync(m.upper).sort(), ['f', 'g'], 'no .wh. file');
  }),
);
