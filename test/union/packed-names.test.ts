// Packed names: found, listed in cookie order, removed; and a directory of them under every change.

import t from 'tap';
import { mkdir, mknod } from '../../lib/union/create.js';
import { WHITEOUT } from '../../lib/union/inode.js';
import { namesIn } from '../../lib/union/lookup.js';
import { firstAbove, NamePacker, type PackedNames } from '../../lib/union/packed-names.js';
import { listNames } from '../../lib/union/readdir.js';
import { unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { allSteps } from '../../lib/union/steps.js';
import { dir, whiteout } from '../support/tree.js';
import { root, TempUnion } from '../support/union-in-temp.js';

function packed(names: string[], hash: (name: string) => number): PackedNames {
  const packer = new NamePacker(hash);
  for (const [at, name] of names.entries()) packer.add(name, 8, at, 7);
  return allSteps(packer.finish());
}

t.test('names are found, with what belongs to them', async (t) => {
  const names = Array.from({ length: 3000 }, (_v, at) => `name${at}\xe9`);
  const all = packed(names, (name) => (Number.parseInt(name.slice(4), 10) * 7919) % 2 ** 51);
  t.equal(all.size, 3000);
  for (const [at, name] of names.entries()) {
    const record = all.recordAt(all.find(name));
    if (record?.name !== name || record.inoLow !== at || record.inoHigh !== 7) t.fail(name);
  }
  t.equal(all.find('name'), -1);
  t.equal(all.find('name3000\xe9'), -1);
  for (let at = 1; at < 3000; at += 1) {
    if ((all.cookies[at] as number) <= (all.cookies[at - 1] as number)) t.fail(`cookie ${at}`);
  }
  const at = all.find('name5\xe9');
  all.remove(at);
  all.remove(at);
  all.remove(-1);
  t.equal(all.find('name5\xe9'), -1);
  t.equal(all.recordAt(at), null);
  t.equal(all.size, 2999);
  t.equal(firstAbove(all.cookies, -1), 0);
});

t.test('names of one hash: all are found, in the same order whatever the host says', async (t) => {
  const names = ['d', 'b', 'a', 'c', 'zz', 'yy'];
  const hash = (name: string): number => 10 + name.length;
  const order = (list: string[]): string[] => {
    const all = packed(list, hash);
    for (const name of list) t.equal(all.nameAt(all.find(name)), name);
    t.ok(all.hasCookie(11) && all.hasCookie(16) && !all.hasCookie(17));
    return [0, 1, 2, 3, 4, 5].map((at) => all.nameAt(at));
  };
  t.same(order(names), ['a', 'b', 'c', 'd', 'yy', 'zz']);
  t.same(order(names.reverse()), ['a', 'b', 'c', 'd', 'yy', 'zz']);
  t.equal(packed([], hash).find('a'), -1);
});

const MANY = 10_050;

/** A union whose lower directory `big` is packed, beneath an upper part with a whiteout and a name of its own. */
const bigUnion = (): Promise<TempUnion> =>
  TempUnion.make({
    lowers: [{ big: dir(Object.fromEntries(Array.from({ length: MANY }, (_v, at) => [`f${at}`, '']))) }],
    upper: { big: dir({ f7: whiteout(), own: 'own', f8: 'upper' }) },
  });

const differing = (found: Set<string>, wanted: Set<string>): string =>
  [...new Set([...found, ...wanted])].filter((name) => found.has(name) !== wanted.has(name)).join();

/** `big` listed in pieces of 997 names; a name is made between the first ones. */
function listInPieces(w: TempUnion): string[] {
  const big = w.dir('big');
  const seen: string[] = [];
  let after = 0;
  for (let more = true; more; ) {
    let left = 997;
    more = false;
    listNames(w.u, big, after, (name, _entry, cookie) => {
      left -= 1;
      more = left === 0;
      if (more) return false;
      after = cookie;
      return seen.push(name) > 0;
    });
    if (seen.length < 2000) mknod(w.u, big, `made${seen.length}`, 0o100600, 0, root, w.stat);
  }
  return seen;
}

t.test('a large directory', async (t) => {
  const w = await bigUnion();
  const big = w.dir('big');
  const expected = new Set(Array.from({ length: MANY }, (_v, at) => `f${at}`));
  const listed = (): boolean => t.equal(differing(new Set(w.names('big')), expected), '');
  expected.delete('f7');
  expected.add('own');
  listed();
  t.equal(namesIn(w.u, big).entries.packed?.size, MANY - 2, 'what the upper has too is not packed');
  t.equal(w.read('big/f8'), 'upper');

  const node = w.node('big/f5');
  const { entries } = namesIn(w.u, big);
  const known = entries.get('f5');
  t.equal(known?.node, node);
  w.u.nodes.forget(node.id, 1);
  t.not(entries.get('f5'), known, 'a name has an object only while the kernel knows its node');
  t.ok(w.has('big/f5'));

  const seen = listInPieces(w);
  t.equal(new Set(seen).size, seen.length, 'a listing in pieces, under changes, shows no name twice');
  t.equal(differing(new Set(seen.filter((name) => !name.startsWith('made'))), expected), '', 'and every old name');
  for (const name of w.names('big')) if (name.startsWith('made')) expected.add(name);

  unlink(w.u, big, 'f100');
  w.node('big/f200');
  await w.run(() => unlink(w.u, big, 'f200'));
  expected.delete('f200');
  mknod(w.u, big, 'f100', 0o100600, 0, root, w.stat);
  mkdir(w.u, big, 'new', 0o700, root, w.stat);
  expected.add('new');
  w.node('big/f300');
  await w.run(() => rename(w.u, big, 'f300', big, 'moved', 0));
  expected.delete('f300');
  expected.add('moved');
  listed();
  t.equal(namesIn(w.u, big).entries.get('f200')?.kind, WHITEOUT);
  t.notOk(w.has('big/f300'));
  await w.remount();
  listed();
  t.same(w.close(), []);
});
