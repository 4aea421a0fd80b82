// Places to prepare in: held by a lock, swept when nobody holds them; and the trees that are removed.

import { Buffer } from 'node:buffer';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { diskUsage, removeTree } from '../../lib/image/disk.js';
import { FileLock } from '../../lib/image/file-lock.js';
import { Staging } from '../../lib/image/staging.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('staging');
t.teardown(() => rmSync(base, { recursive: true }));

t.test('what nobody holds is swept, what somebody holds is not', async (t) => {
  const tmp = join(base, 'tmp');
  mkdirSync(join(tmp, 'dead', 'deep'), { recursive: true });
  const first = await Staging.create(tmp);
  t.notOk(existsSync(join(tmp, 'dead')));
  writeFileSync(first.fresh(), 'mine');
  const second = await Staging.create(tmp);
  t.equal(readdirSync(tmp).length, 2);
  t.not(first.fresh(), second.fresh());
  first.close();
  second.close();
  t.same(readdirSync(tmp), []);
});

t.test('shared locks go together, an exclusive one waits for them', async (t) => {
  const path = join(base, 'lock');
  writeFileSync(path, '');
  const readers = [FileLock.try(path, 'shared'), FileLock.try(path, 'shared')];
  t.equal(FileLock.try(path, 'exclusive'), null);
  const waiting = FileLock.take(path, 'exclusive');
  for (const reader of readers) reader?.release();
  const lock = await waiting;
  t.equal(FileLock.try(path, 'shared'), null);
  lock.release();
  lock.release();
  FileLock.try(path, 'shared')?.release();
});

t.test('a tree goes whatever its names and modes, and nothing outside of it', async (t) => {
  const [tree, outside] = [join(base, 'tree'), join(base, 'outside')];
  mkdirSync(join(tree, 'shut'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'stays'), '');
  writeFileSync(join(tree, 'shut', 'file'), 'x'.repeat(5000));
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]), '');
  symlinkSync(outside, join(tree, 'link'));
  chmodSync(join(tree, 'shut'), 0o000);
  if (process.geteuid?.() === 0) t.ok(diskUsage(tree) >= 4096);
  removeTree(tree);
  t.notOk(existsSync(tree));
  t.ok(existsSync(join(outside, 'stays')));
  t.doesNotThrow(() => removeTree(tree));
});
