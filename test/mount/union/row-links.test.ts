// Files of lowers with several links that the server answers for without JavaScript: all names are one file, whichever of them is
// known first, whatever is done through which of them, and as long as one of them is held.

import t, { type Test } from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { eventually, fails, ok } from '../../support/expect.js';
import { LOCK, O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, file, hardlink, type TreeSpec } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);

/** Two names in directories of their own, a third one beside the first. */
const group = (at: number): TreeSpec => ({
  [`x${at}`]: dir({
    sub: dir({ one: file(`content ${at}`), three: hardlink(`x${at}/sub/one`) }),
    plain: file('plain'),
  }),
  [`y${at}`]: dir({ sub: dir({ two: hardlink(`x${at}/sub/one`), plain: file('plain') }) }),
});
const COUNT = 14;
const layers = {
  lowers: [
    Object.assign({}, ...Array.from({ length: COUNT }, (_, at) => group(at))) as TreeSpec,
    { x0: dir({ sub: dir({ below: file('below') }) }), y1: dir({ sub: dir({ below: file('below') }) }) },
  ],
};

interface Names {
  readonly one: string;
  readonly two: string;
  readonly three: string;
}
const namesOf = (at: number): Names => ({
  one: `x${at}/sub/one`,
  two: `y${at}/sub/two`,
  three: `x${at}/sub/three`,
});

const withFile = async (
  a: Agent,
  path: string,
  flags: number,
  use: (fd: number) => Promise<unknown>,
): Promise<void> => {
  const fd = await ok(a.open(path, flags));
  await use(fd);
  await ok(a.close(fd));
};

/** Each through `name`; `other` is another name of the file. */
const deeds: readonly ((a: Agent, name: string, other: string) => Promise<unknown>)[] = [
  (a, name) => ok(a.put(name, 'written', O.WRONLY | O.TRUNC)),
  (a, name) => ok(a.put(name, ' and more', O.WRONLY | O.APPEND)),
  (a, name) => ok(a.chmod(name, 0o600)),
  (a, name) => ok(a.truncate(name, 3)),
  (a, name) => ok(a.setxattr(name, 'user.x', 'y')),
  (a, name) => ok(a.unlink(name)),
  (a, name) => ok(a.rename(name, 'moved')),
  (a, name) => ok(a.link(name, 'linked')),
  (a, name, other) => ok(a.rename(name, other)),
  (a, name) => ok(a.rename(name, `${name.slice(0, name.lastIndexOf('/'))}/plain`)),
  (a, name, other) =>
    withFile(a, other, O.RDONLY, async (fd) => {
      await ok(a.put(name, 'seen by who had it open', O.WRONLY | O.TRUNC));
      if ((await ok(a.pread(fd, 99, 0))) !== 'seen by who had it open') throw new Error('a reader sees the lower');
    }),
  async (a, name, other) => {
    await ok(a.unlink(name));
    await ok(a.put(other, 'the last one', O.WRONLY | O.TRUNC));
  },
  (a, name) => ok(a.rename(name.slice(0, name.indexOf('/')), 'directory')),
  async (a, name) => {
    await fails(a.link(name, name), 'EEXIST');
    await ok(a.chown(name, 7, 8));
  },
];

const orders: readonly (readonly (keyof Names)[])[] = [
  ['one', 'two', 'three'],
  ['two', 'one', 'three'],
  ['three', 'two'],
  ['one'],
  [],
];

async function sameFile(a: Agent, paths: readonly string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => ok(a.stat(path))));
  return new Set(found.map(({ ino, nlink, size }) => `${ino} ${nlink} ${size}`)).size === 1;
}

/** The tree is what `wanted` is, or becomes it where that is nothing yet; and stays so. */
async function stays(m: Mounted, t: Test, wanted: Record<string, string> | null): Promise<Record<string, string>> {
  const tree = await m.tree();
  t.same(tree, wanted ?? tree, 'now');
  await m.forget();
  t.same(await m.tree(), tree, 'after the kernel forgot them');
  await m.remount();
  t.same(await m.tree(), tree, 'after a remount');
  return tree;
}

for (const order of orders) {
  for (const through of ['one', 'two'] as const) {
    const other = through === 'one' ? 'two' : 'one';
    let wanted: Record<string, string> | null = null;
    await t.test(`known as ${order.join(', then ') || 'nothing'} before, and changed through ${through}`, (t) =>
      onEach(t, [...chosen([kernel]), ...configs], layers, async (m, t) => {
        const a = m.client;
        for (const [at, deed] of deeds.entries()) {
          const names = namesOf(at);
          const known = order.map((name) => names[name]);
          if (known.length > 0) t.ok(await sameFile(a, known), `${known.join(', ')} are one file`);
          await deed(a, names[through], names[other]);
        }
        t.equal(await ok(a.cat(namesOf(0)[other])), 'written');
        t.equal(await ok(a.cat(namesOf(1)[other])), 'content 1 and more');
        t.equal((await ok(a.stat(namesOf(5)[other]))).nlink, 2, 'one name less');
        t.equal((await ok(a.stat(namesOf(7)[other]))).nlink, 4, 'one name more');
        t.ok(await sameFile(a, [namesOf(6)[other], 'moved']));
        t.equal(await ok(a.cat(namesOf(11)[other])), 'the last one');
        wanted = await stays(m, t, wanted);
      }),
    );
  }
}

await t.test('they are found without JavaScript, and by one number', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    for (let round = 0; round < 3; round += 1) {
      const { found: before = 0 } = await m.stats();
      for (let at = 0; at < COUNT; at += 1) t.ok(await sameFile(a, Object.values(namesOf(at))), `${at}`);
      const { found = 0 } = await m.stats();
      t.ok(found - before >= 3 * COUNT, `${found - before} were found so in round ${round}`);
      t.equal((await ok(a.stat(namesOf(3).one))).nlink, 3);
      await m.forget();
      t.ok(await eventually(async () => (await m.stats()).nodes <= 2), 'and are forgotten');
    }
  }),
);

await t.test('a name that is held holds the file, and its other names', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    for (const [at, held] of (['one', 'two', 'one', 'two'] as const).entries()) {
      const names = namesOf(at + 8);
      const { ino } = await ok(a.stat(names.one));
      t.ok(await sameFile(a, Object.values(names)));
      const fd = await ok(a.open(names[held], at < 2 ? O.PATH : O.RDONLY));
      await m.forget();
      await ok(a.unlink(names[held === 'one' ? 'two' : 'one']));
      t.match(await ok(a.fstat(fd)), { ino, nlink: 2 });
      await m.forget();
      t.match(await ok(a.stat(names[held])), { ino, nlink: 2 });
      t.equal(await ok(a.cat(names.three)), `content ${at + 8}`);
      await ok(a.close(fd));
    }
    const { one, two } = namesOf(2);
    // Of one name the directory is forgotten while the file is open by another.
    const fd = await ok(a.open(two, O.RDONLY));
    await ok(a.stat(one));
    await m.forget();
    await ok(a.rename('x2', 'renamed'));
    await ok(a.put('renamed/sub/one', 'written', O.WRONLY | O.TRUNC));
    t.equal(await ok(a.pread(fd, 99, 0)), 'written');
    await ok(a.close(fd));
    t.ok(await sameFile(a, [two, 'renamed/sub/one', 'renamed/sub/three']));
    await stays(m, t, null);
  }),
);

await t.test('locks are those of one file', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const { one, two } = namesOf(4);
    const first = await ok(a.open(one, O.RDONLY));
    const second = await ok(a.open(two, O.RDONLY));
    await ok(a.flock(first, LOCK.EX | LOCK.NB));
    await fails(a.flock(second, LOCK.EX | LOCK.NB), 'EAGAIN');
    await ok(a.close(first));
    t.ok(await eventually(async () => (await a.flock(second, LOCK.EX | LOCK.NB)) === 0), 'free after the close');
    await ok(a.close(second));
  }),
);
