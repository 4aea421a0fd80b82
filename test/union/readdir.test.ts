// Listings: cookies that outlive deletes, creates, rebuilt indexes and remounts, collisions included.

import t from 'tap';
import { O_RDWR } from '../../lib/sys/constants.js';
import { createFile } from '../../lib/union/create.js';
import type { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { COOKIE_DOTDOT, listNames, numberOf } from '../../lib/union/readdir.js';
import { unlink } from '../../lib/union/remove.js';
import { dir, file, type TreeSpec, whiteout } from '../support/tree.js';
import { root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const many: TreeSpec = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`name${at}`, file('')]));
const layout = { lowers: [{ d: dir(many) }] };

interface Listed {
  readonly name: string;
  readonly cookie: number;
}

function list(w: TempUnion, path: string, after = 0, most = Number.POSITIVE_INFINITY): Listed[] {
  const found: Listed[] = [];
  listNames(w.u, w.dir(path), after, (name, _entry, cookie) => {
    if (found.length >= most) return false;
    found.push({ name, cookie });
    return true;
  });
  return found;
}

function make(w: TempUnion, path: string, name: string): void {
  const { node, fd } = createFile(w.u, w.dir(path), name, 0o644, O_RDWR, root, w.stat);
  w.u.nodes.remember(node);
  w.sys.close(fd);
}

unionTest(t, 'cookies rise, are unique, and are exact', layout, (t, w) => {
  const all = list(w, 'd');
  t.equal(all.length, 200);
  let last = COOKIE_DOTDOT;
  for (const { cookie } of all) {
    if (cookie <= last || !Number.isSafeInteger(cookie)) t.fail(`${cookie} after ${last}`);
    last = cookie;
  }
  t.ok(last < 2 ** 52, 'a positive off_t');
});

unionTest(t, 'any cookie goes on behind its name', layout, (t, w) => {
  const all = list(w, 'd');
  for (const at of [0, 1, 50, 198, 199]) {
    t.same(list(w, 'd', all[at]?.cookie), all.slice(at + 1), `after ${at}`);
  }
});

unionTest(t, 'piece by piece', layout, (t, w) => {
  const found: Listed[] = [];
  for (let after = 0; ; ) {
    const piece = list(w, 'd', after, 7);
    found.push(...piece);
    const last = piece.at(-1);
    if (last === undefined) break;
    after = last.cookie;
  }
  t.same(found, list(w, 'd'));
});

unionTest(t, 'deletes and creates move no other name', layout, (t, w) => {
  const before = list(w, 'd');
  const here = before[100] as Listed;
  for (const { name } of before.filter((_, at) => at % 3 === 0)) unlink(w.u, w.dir('d'), name);
  for (let turn = 0; turn < 50; turn += 1) make(w, 'd', `fresh${turn}`);
  const cookies = new Map(before.map(({ name, cookie }) => [name, cookie]));
  const after = list(w, 'd', here.cookie);
  for (const { name, cookie } of after) {
    if (cookies.has(name) && cookies.get(name) !== cookie) t.fail(`${name} moved`);
  }
  const wanted = before.slice(101).filter(({ name }) => w.has(`d/${name}`));
  t.same(
    after.filter(({ name }) => cookies.has(name)),
    wanted,
    'every old name behind the cookie, once',
  );
  t.equal(new Set(list(w, 'd').map(({ cookie }) => cookie)).size, w.names('d').length);
});

unionTest(t, 'a rebuilt index and a remount give the same cookies', layout, async (t, w) => {
  const before = list(w, 'd');
  w.dir('d').index = null;
  t.same(list(w, 'd'), before);
  await w.remount();
  t.same(list(w, 'd'), before);
});

/** Every name has one of three hashes. */
function collide(numbers: InodeNumbers): void {
  numbers.cookie = (name) => 3 + (name.length % 3);
}

unionTest(
  t,
  'names of one hash',
  { lowers: [], upper: { a: file(''), b: file(''), ccc: file(''), dd: file(''), e: file('') } },
  (t, w) => {
    collide(w.u.numbers);
    const all = list(w, '');
    t.same(all.map(({ name }) => name).sort(), ['a', 'b', 'ccc', 'dd', 'e']);
    t.equal(new Set(all.map(({ cookie }) => cookie)).size, 5);
    for (const [at, { cookie }] of all.entries()) t.same(list(w, '', cookie), all.slice(at + 1));
    w.node('a');
    unlink(w.u, w.dir(''), 'a');
    t.same(
      list(w, ''),
      all.filter(({ name }) => name !== 'a'),
      'a delete moves none of them',
    );
  },
);

unionTest(
  t,
  'whiteouts are not listed',
  { upper: { a: whiteout() }, lowers: [{ a: file(''), b: file('') }] },
  (t, w) => {
    t.same(w.names(), ['b']);
  },
);

const numbered = {
  upper: { m: dir({ u: file('') }), f: file('') },
  lowers: [{ m: dir({ l: file('') }), g: file(''), s: dir({ f: file('') }) }, { m: dir({ k: file('') }) }],
};
unionTest(t, 'd_ino is st_ino, known or not', numbered, (t, w) => {
  for (const path of ['', 'm', 's']) {
    listNames(w.u, w.dir(path), 0, (name, entry) => {
      numberOf(w.u, w.dir(path), name, entry);
      const { low, high } = w.u.numbers;
      const node = w.node(path === '' ? name : `${path}/${name}`);
      t.same([low, high], [node.inoLow, node.inoHigh], name);
      numberOf(w.u, w.dir(path), name, entry);
      t.same([w.u.numbers.low, w.u.numbers.high], [low, high], 'the same when the kernel knows it');
      return true;
    });
  }
});

unionTest(t, 'a removed directory lists nothing', { lowers: [{}], upper: { d: dir({}) } }, (t, w) => {
  const node = w.dir('d');
  node.dead = true;
  t.same(list(w, 'd'), []);
  node.dead = false;
});
