// A container that is committed while it is used, again and again: nobody notices, each layer holds what was there then,
// and a commit or a server that is killed loses nothing.

import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Agent } from '../support/agent.js';
import { ended, entry, file, onStore, program, startOn, tarOf } from '../support/images.js';
import { O, PROT, SEEK } from '../support/linux.js';
import { noticeable } from '../support/oracle/noticed.js';
import { freshDirectory } from '../support/paths.js';
import { Random } from '../support/random.js';
import { differences } from '../support/tree.js';

const base = freshDirectory('live-commit');
const root = join(base, 'store');
const run = onStore(root);
const home = join(root, 'containers', 'c');
const merged = join(home, 'merged');
t.teardown(async () => {
  await run(['rm', '-f', 'c']);
  rmSync(base, { recursive: true });
});

t.setTimeout(180_000);

const json = async (...argv: string[]): Promise<unknown> => JSON.parse((await run([...argv, '--json'])).out.toString());
const layersOf = async (name: string): Promise<string[]> => {
  const [image] = (await json('inspect', name)) as [{ Layers: { Directory: string }[] }];
  return image.Layers.map((layer) => layer.Directory);
};
const uppers = (): string[] => readdirSync(home).filter((name) => name.startsWith('upper'));

/** Content and shape, for times at which nobody writes. */
async function treeAt(path: string): Promise<Record<string, string>> {
  const agent = await Agent.start(path);
  const tree = await noticeable(agent);
  await agent.stop();
  return tree;
}

/** Without inode numbers, which another mount may show otherwise. */
const unnumbered = (tree: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(tree).map(([path, line]) => [path, line.replace(/ ino \d+$/, '')]));

async function killServer(): Promise<void> {
  const { out } = await program(['pgrep', '-f', '--', `--serve .*${base}`]);
  for (const pid of out.toString().trim().split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
}

const system = [
  { entry: entry('.', { type: 'directory' }) },
  { entry: entry('docs', { type: 'directory' }) },
  file('docs/read.me', 'read me\n'),
  file('log', 'image\n'),
  file('gone', 'gone\n'),
  file('motd', 'old\n'),
];

t.before(async () => {
  await run(['import', '-', 'web:1'], await tarOf(system));
  await run(['create', 'web:1', '--name', 'c']);
  await run(['start', 'c']);
});

t.test('nobody notices, twice in a row', async (t) => {
  const a = await Agent.start(merged);
  t.teardown(() => a.stop());
  t.equal(await a.rename('docs', 'manual'), 0, 'a directory with a redirect');
  t.equal(await a.unlink('gone'), 0);
  t.equal(await a.mkdir('here'), 0);
  t.equal(await a.mkdir('many'), 0);
  for (let at = 0; at < 30; at += 1) await a.put(`many/f${at}`, `${at}`);
  await a.put('pair', 'one file');
  t.equal(await a.link('pair', 'many/pair'), 0);
  const log = await a.open('log', O.WRONLY | O.APPEND);
  const mapped = await a.open('mapped', O.RDWR | O.CREAT);
  await a.ftruncate(mapped, 8192);
  const map = await a.mmap(mapped, 8192, PROT.READ | PROT.WRITE, 1);
  const unnamed = await a.open('here', O.RDWR | O.TMPFILE);
  const removed = await a.open('removed', O.RDWR | O.CREAT);
  await a.unlink('removed');
  const stream = await a.opendir('many');
  const firstHalf = await a.readdir(stream, 10);
  t.equal(await a.chdir('here'), 0);
  await a.mapwrite(map, 0, 'before');
  const before = await a.fstat(log);

  for (const round of [1, 2]) {
    await a.write(log, `before ${round}\n`);
    const tree = await treeAt(merged);
    t.match(await run(['commit', '-m', `round ${round}`, 'c', `app:${round}`]), { code: 0 });
    t.same(differences(await treeAt(merged), tree), [], `round ${round}`);
    await a.write(log, `after ${round}\n`);
    await a.mapwrite(map, 100 * round, `map ${round}`);
    t.equal(await a.write(unnamed, `${round}`), 1);
    t.equal(await a.write(removed, `${round}`), 1);
    await a.put(`new ${round}`, '');
    t.equal((await layersOf(`app:${round}`)).length, 1 + round);
  }

  const after = await a.fstat(log);
  if (typeof before === 'number' || typeof after === 'number') throw new Error('fstat');
  t.equal(after.ino, before.ino);
  const whole = 'image\nbefore 1\nafter 1\nbefore 2\nafter 2\n';
  t.equal(await a.cat('../log'), whole);
  t.match(await a.cat('../mapped'), /^before\0+map 1\0+map 2\0+$/);
  t.equal(await a.pread(unnamed, 10, 0), '12');
  t.equal(await a.pread(removed, 10, 0), '12');
  t.equal(await a.link(`/proc/self/fd/${unnamed}`, 'named', 0x400), 0);
  const rest = await a.readdir(stream);
  if (typeof firstHalf === 'number' || typeof rest === 'number') throw new Error('readdir');
  t.equal(new Set([...firstHalf, ...rest].map(({ name }) => name)).size, 33, 'a listing goes on');
  t.equal(await a.put('file', 'in the working directory'), 0);
  t.equal(await a.lseek(log, 0, SEEK.END), whole.length);
  const [, first = '', second = ''] = await layersOf('app:2');
  t.equal(readFileSync(join(first, 'log'), 'utf8'), 'image\nbefore 1\n', 'what was there at the commit');
  t.equal(readFileSync(join(second, 'log'), 'utf8'), 'image\nbefore 1\nafter 1\nbefore 2\n');
  t.same(readdirSync(join(first, 'manual')), ['read.me']);
  t.equal(statSync(join(first, 'pair')).ino, statSync(join(first, 'many/pair')).ino);
  t.notOk(existsSync(join(second, 'pair')), 'only what changed since');
  t.match(await json('ps'), [{ name: 'c', image: 'app:2', status: 'mounted' }]);
});

t.test('the same tree after it was stopped and started', async (t) => {
  const tree = await treeAt(merged);
  t.match(await run(['stop', 'c']), { code: 0 });
  t.match(await run(['start', 'c']), { code: 0 });
  t.same(differences(unnumbered(await treeAt(merged)), unnumbered(tree)), []);
  t.match(await run(['commit', 'c', 'app:3']), { code: 0 });
  t.equal((await run(['diff', merged])).out.toString(), '', 'nothing has changed since');
  t.match(await run(['verify']), { code: 0 });
  t.match(await run(['create', 'app:3', '--name', 'copy']), { code: 0 });
  const copy = join(base, 'copy');
  await program(['mkdir', copy]);
  t.match(await run(['start', 'copy', copy]), { code: 0 });
  t.same(differences(unnumbered(await treeAt(copy)), unnumbered(tree)), [], 'the image shows it too');
  await run(['rm', '-f', 'copy']);
});

t.test(
  'gc: layers take the place of the sealed uppers of a container that is stopped, and nobody notices',
  async (t) => {
    type Told = { containers: { name: string; size: number; sealed: number }[] };
    writeFileSync(join(merged, 'since'), 'x');
    const tree = await treeAt(merged);
    t.match(await json('gc'), { uppers: 0 }, 'it is mounted');
    const [before] = ((await json('du')) as Told).containers;
    t.ok(before !== undefined && before.sealed > 0 && before.size > before.sealed);
    const sealed = uppers().length - 1;
    t.ok(sealed >= 3, uppers().join(' '));
    t.match(await run(['stop', 'c']), { code: 0 });
    t.match(await json('gc'), { uppers: sealed });
    t.equal(uppers().length, 1);
    t.match(((await json('du')) as Told).containers, [{ name: 'c', sealed: 0 }]);
    t.match(await json('gc'), { uppers: 0 });
    t.match(await run(['start', 'c']), { code: 0 });
    t.same(differences(unnumbered(await treeAt(merged)), unnumbered(tree)), []);
    t.same((await run(['diff', 'c'])).out.toString(), 'A /since\n');
    const layers = await layersOf('app:3');
    t.match(await run(['commit', 'c', 'app:3']), { code: 0 });
    t.same((await layersOf('app:3')).slice(0, -1), layers, 'one layer more');
    t.match(await run(['stop', 'c']), { code: 0 });
    t.match(await json('gc'), { uppers: 1 }, 'again, from another number on');
    t.match(await run(['start', 'c']), { code: 0 });
    t.same(differences(unnumbered(await treeAt(merged)), unnumbered(tree)), []);
    t.match(await run(['verify']), { code: 0 });
  },
);

t.test(
  'gc: flags of chattr and an index of hard links are nothing that layers have, so such uppers stay',
  async (t) => {
    await run(
      ['import', '-', 'flags:1'],
      await tarOf([...system, file('h1', 'x'), { entry: entry('h2', { type: 'hardlink', target: 'h1' }) }]),
    );
    await run(['create', 'flags:1', '--name', 'f']);
    const own = join(root, 'containers', 'f');
    for (const change of ['chattr +i motd', 'for x in h1 h2; do echo $x >>$x; done']) {
      await run(['start', 'f']);
      t.match(await program(['sh', '-c', `cd ${own}/merged && ${change}`]), { code: 0, err: '' }, change);
      t.match(await run(['commit', 'f', 'flags:2']), { code: 0, err: /sealed/ });
      writeFileSync(join(own, 'merged/h1'), 'again');
      t.match(await run(['stop', 'f']), { code: 0 });
      t.match(await json('gc'), { uppers: 0 }, change);
    }
    await run(['start', 'f']);
    t.equal(readFileSync(join(own, 'merged/h2'), 'utf8'), 'again');
    await program(['chattr', '-i', join(own, 'merged/motd')]);
    t.match(await run(['rm', '-f', 'f']), { code: 0 });
  },
);

t.test('gc, killed between the record and the removal: the rest goes next time', async (t) => {
  writeFileSync(join(merged, 'since'), 'y');
  t.match(await run(['commit', 'c', 'app:3']), { code: 0 });
  const tree = await treeAt(merged);
  t.match(await run(['stop', 'c']), { code: 0 });
  const record = JSON.parse(readFileSync(join(home, 'container.json'), 'utf8'));
  const [first = '', last = ''] = uppers().sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)));
  const [image] = (await json('inspect', 'app:3')) as [{ RootFS: { Layers: string[] } }];
  const later = { ...record, layers: image.RootFS.Layers, sealed: 0, first: Number(last.slice('upper-'.length)) };
  writeFileSync(join(home, 'container.json'), JSON.stringify(later));
  t.match(await run(['start', 'c']), { code: 0 });
  t.same(differences(unnumbered(await treeAt(merged)), unnumbered(tree)), [], `without ${first}`);
  t.match(await run(['stop', 'c']), { code: 0 });
  t.match(await json('gc'), { uppers: 1 });
  t.same(uppers(), [last]);
  t.match(await run(['start', 'c']), { code: 0 });
});

t.test('a hard link of the image that changed under one name: committed, and told', async (t) => {
  const linked = [...system, file('h1', 'x'), { entry: entry('h2', { type: 'hardlink', target: 'h1' }) }];
  await run(['import', '-', 'linked:1'], await tarOf(linked));
  await run(['create', 'linked:1', '--name', 'l']);
  await run(['start', 'l']);
  const own = join(root, 'containers', 'l');
  writeFileSync(join(own, 'merged', 'h1'), 'changed');
  const { code, err } = await run(['commit', 'l', 'linked:2']);
  t.equal(code, 0);
  t.match(err, /container l goes on with its upper as it is: a hard link of the image/);
  t.same(
    readdirSync(own).filter((name) => name.startsWith('upper')),
    ['upper'],
  );
  t.match(await run(['rm', '-f', 'l']), { code: 0 });
});

t.test('commits and servers killed at any moment: nothing is lost', async (t) => {
  const random = new Random(11);
  let names = 'app:3';
  for (let round = 0; round < 10; round += 1) {
    writeFileSync(join(merged, `round ${round}`), 'x'.repeat(100_000));
    const tree = await treeAt(merged);
    const child = startOn(root, ['commit', 'c', `killed:${round}`]);
    const ending = ended(child);
    await sleep(60 + random.below(250));
    if (round % 2 === 1) await killServer();
    child.kill('SIGKILL');
    const answer = await ending;
    if (answer.code === 0) names = `killed:${round}`;
    if (round % 2 === 1) t.match(await run(['start', 'c']), { code: 0 });
    t.same(differences(unnumbered(await treeAt(merged)), unnumbered(tree)), [], `round ${round}`);
  }
  t.comment(`the last that ended: ${names}; ${uppers().join(' ')}`);
  const tree = await treeAt(merged);
  t.match(await run(['commit', 'c', 'app:4']), { code: 0 });
  t.match(await run(['create', 'app:4', '--name', 'copy']), { code: 0 });
  t.match(await run(['start', 'copy', join(base, 'copy')]), { code: 0 });
  t.same(differences(unnumbered(await treeAt(join(base, 'copy'))), unnumbered(tree)), [], 'the image has it all');
  await run(['rm', '-f', 'copy']);
  t.match(await run(['verify']), { code: 0 });
  t.match(await run(['gc']), { code: 0 });
  t.same(readdirSync(join(root, 'tmp')), []);
});
