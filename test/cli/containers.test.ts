// Containers as commands, nothing mounted: created, listed, committed, removed; a commit that is killed leaves the old image
// or the new one.

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import t from 'tap';
import { ended, entry, file, onStore, startOn, tarOf } from '../support/images.js';
import { freshDirectory } from '../support/paths.js';
import { Random } from '../support/random.js';

const base = freshDirectory('containers');
const root = join(base, 'store');
const run = onStore(root);
t.teardown(() => rmSync(base, { recursive: true }));

const json = async (...argv: string[]): Promise<unknown> => JSON.parse((await run([...argv, '--json'])).out.toString());
const upperOf = (name: string): string => join(root, 'containers', name, 'upper');

const system = [
  { entry: entry('.', { type: 'directory', mode: 0o711 }) },
  { entry: entry('etc', { type: 'directory' }) },
  file('etc/motd', 'welcome\n'),
];

t.before(async () => {
  await run(['import', '-', 'web:1'], await tarOf(system));
});

t.test('create: a container has its image, and the mode of its root', async (t) => {
  t.match(await run(['create', 'web:1', '--name', 'one']), { code: 0, err: '' });
  t.equal(statSync(upperOf('one')).mode & 0o7777, 0o711);
  t.match(await json('ps', '-a'), [{ name: 'one', image: 'web:1', status: 'stopped', mountpoint: null }]);
  t.same(await json('ps'), []);
  const { out } = await run(['create', 'web:1']);
  t.match(out.toString(), /^[0-9a-f]{12}\n$/);
  t.match(await run(['rm', out.toString().trim()]), { code: 0 });
});

t.test('create: what cannot be', async (t) => {
  t.match(await run(['create', 'web:1', '--name', 'one']), {
    code: 1,
    err: /^stratafs: there is a container one already/,
  });
  t.match(await run(['create', 'web:1', '--name', '../x']), { code: 1, err: /is no name for a container/ });
  t.match(await run(['create', 'none:1']), { code: 1, err: /no image none:1/ });
  t.match(await run(['rm', 'none']), { code: 1, err: /no container none in/ });
  t.same(readdirSync(join(root, 'containers')), ['one']);
});

t.test('commit: the upper of a stopped container', async (t) => {
  writeFileSync(join(upperOf('one'), 'new'), 'new\n');
  const words = ['-m', 'why', '-a', 'A. Author', '--change', 'ENV A=b', '-c', 'CMD ["serve"]'];
  t.match(await run(['commit', ...words, 'one', 'web:2']), { code: 0, out: /^/ });
  t.match(await json('history', 'web:2'), [
    { createdBy: 'stratafs commit', author: 'A. Author', comment: 'why' },
    { createdBy: 'stratafs import' },
  ]);
  const [image] = (await json('inspect', 'web:2')) as [{ Layers: { Directory: string }[] }];
  t.match(image, { Author: 'A. Author', Config: { Env: ['A=b'], Cmd: ['serve'] } });
  t.equal(readFileSync(join(image.Layers[1]?.Directory as string, 'new'), 'utf8'), 'new\n');
  const again = (await json('commit', 'one', 'web:3')) as { layer: string };
  const third = (await json('commit', 'one', 'web:4')) as { layer: string };
  t.equal(again.layer, third.layer, 'the same upper gives the same layer');
});

const zstd = spawnSync('zstd', ['--version']).status === 0 || 'createZstdCompress' in zlib;
t.test(
  'commit --zstd: the same layer, packed by zstd, the same every time',
  { skip: !zstd && 'no zstd' },
  async (t) => {
    const sealed = (await json('commit', 'one', 'web:gzip')) as { layer: string };
    const one = (await json('commit', '--zstd', 'one', 'web:zstd')) as { layer: string };
    const two = (await json('commit', '--zstd', 'one', 'web:zstd2')) as { layer: string };
    t.equal(one.layer, two.layer);
    t.not(one.layer, sealed.layer);
    type Told = { Layers: { MediaType: string; DiffId: string; Directory: string }[] };
    const [plain] = (await json('inspect', 'web:gzip')) as Told[];
    const [packed] = (await json('inspect', 'web:zstd')) as Told[];
    t.equal(packed?.Layers[1]?.DiffId, plain?.Layers[1]?.DiffId, 'the diff id is that of the tar');
    t.same(
      packed?.Layers.map(({ MediaType }) => MediaType.split('+')[1]),
      ['gzip', 'zstd'],
    );
    t.equal(readFileSync(join(packed?.Layers[1]?.Directory as string, 'new'), 'utf8'), 'new\n');
    const saved = await run(['save', 'web:zstd']);
    t.match(await run(['rmi', 'web:zstd', 'web:zstd2']), { code: 0 });
    t.match(await run(['load'], saved.out), { code: 0, out: /^/ });
    const [again] = (await json('inspect', 'web:zstd')) as Told[];
    t.same(again, packed);
    t.match(await run(['verify']), { code: 0 });
    t.match(await run(['rmi', 'web:zstd', 'web:gzip']), { code: 0 });
  },
);

t.test(
  'a layer of zeros, which a commit packs ten thousandfold, can be loaded',
  { skip: !zstd && 'no zstd' },
  async (t) => {
    const upper = join(base, 'zeros');
    const file = join(upper, 'file');
    mkdirSync(upper);
    const size = 1100 << 20;
    for (let at = 0; at < size; at += 100 << 20) appendFileSync(file, Buffer.alloc(100 << 20));
    t.match(await run(['commit', '--zstd', upper, 'zeros']), { code: 0 });
    rmSync(upper, { recursive: true });
    const saved = await run(['save', 'zeros']);
    t.ok(saved.out.length < size / 1000, `${saved.out.length} bytes`);
    t.match(await run(['rmi', 'zeros']), { code: 0 });
    t.match(await run(['load'], saved.out), { code: 0 });
    const [{ Layers, Size }] = (await json('inspect', 'zeros')) as [{ Layers: [{ Directory: string }]; Size: number }];
    const loaded = statSync(join(Layers[0].Directory, 'file'));
    t.match({ size: loaded.size, Size }, { size, Size: size });
    t.ok(loaded.blocks < 1000, `${loaded.blocks} blocks of it are no hole`);
    t.match(await run(['rmi', 'zeros']), { code: 0 });
  },
);

t.test('import --zstd', { skip: !zstd && 'no zstd' }, async (t) => {
  t.match(await run(['import', '--zstd', '-', 'web:packed'], await tarOf(system)), { code: 0 });
  t.match(await json('inspect', 'web:packed'), [{ Layers: [{ MediaType: /zstd$/ }] }]);
  t.match(await run(['rmi', 'web:packed']), { code: 0 });
});

t.test('commit --squash: one layer, the same tree', async (t) => {
  t.match(await run(['commit', '--squash', 'one', 'web:flat']), { code: 0 });
  const [image] = (await json('inspect', 'web:flat')) as [{ Layers: { Directory: string }[] }];
  t.equal(image.Layers.length, 1);
  const tree = image.Layers[0]?.Directory as string;
  t.same(readdirSync(tree).sort(), ['etc', 'new']);
  t.equal(readFileSync(join(tree, 'etc/motd'), 'utf8'), 'welcome\n');
  t.match(await json('history', 'web:flat'), { length: 2 });
});

t.test('commit: an upper of somewhere, alone and over a base', async (t) => {
  const upper = join(base, 'upper');
  mkdirSync(upper);
  writeFileSync(join(upper, 'file'), 'x');
  t.match(await run(['commit', upper, 'own:1']), { code: 0 });
  t.match(await json('history', 'own:1'), { length: 1 });
  t.match(await run(['commit', '--base', 'web:1', upper, 'own:2']), { code: 0 });
  t.match(await json('history', 'own:2'), { length: 2 });
});

t.test('commit: what cannot be', async (t) => {
  const refused: [string[], RegExp][] = [
    [['none', 'web:9'], /none is neither a container in/],
    [['one', 'web@sha256:'.padEnd(75, 'a')], /a digest cannot be given/],
    [['one', 'UPPER'], /is no image name/],
    [['one', 'web:9', '--change', 'RUN x'], /--change 'RUN x'/],
    [['one'], /a word is missing; usage: stratafs commit .*; see stratafs commit --help/],
    [['none', 'web:9'], /`stratafs ps -a` lists them/],
    [['--base', 'web:1', 'one', 'web:9'], /--base is for uppers/],
  ];
  for (const [words, err] of refused) t.match(await run(['commit', ...words]), { code: 1, err }, words.join(' '));
  t.match(await run(['inspect', 'web:9']), { code: 1 });
});

t.test('an image that only a container uses stays, until that is gone', async (t) => {
  t.match(await run(['create', 'own:1', '--name', 'keeper']), { code: 0 });
  const names = ((await json('images')) as { name: string }[]).map(({ name }) => name);
  t.match(await run(['rmi', ...names]), { code: 0 });
  t.match(await run(['gc']), { code: 0 });
  t.match(await run(['commit', 'keeper', 'own:again']), { code: 0 });
  t.match(await run(['commit', 'one', 'web:again']), { code: 0 });
  t.match(await run(['rm', 'keeper', 'one']), { code: 0 });
  t.match(await run(['rmi', 'own:again', 'web:again']), { code: 0 });
  t.same([readdirSync(join(root, 'blobs/sha256')), readdirSync(join(root, 'layers/sha256'))], [[], []]);
});

t.test('commit, killed at any moment, leaves the old image or the new one', async (t) => {
  await run(['import', '-', 'web:1'], await tarOf(system));
  await run(['create', 'web:1', '--name', 'c']);
  await run(['commit', 'c', 'app:1', '-m', 'old']);
  const bytes = Buffer.alloc(200_000, 'some contents that are not random ');
  for (let at = 0; at < 40; at += 1) writeFileSync(join(upperOf('c'), `f${at}`), bytes);
  const began = Date.now();
  await run(['commit', 'c', 'app:1', '-m', 'old']);
  const whole = Date.now() - began;
  const random = new Random(7);
  const seen = { old: 0, new: 0 };
  let comment = 'old';
  for (let round = 0; round < 12; round += 1) {
    const child = startOn(root, ['commit', 'c', 'app:1', '-m', `round ${round}`]);
    const ending = ended(child);
    await sleep(whole / 4 + random.below(whole));
    child.kill('SIGKILL');
    await ending;
    const [last] = (await json('history', 'app:1')) as [{ comment: string }];
    t.ok([comment, `round ${round}`].includes(last.comment), `round ${round}: ${last.comment}`);
    seen[last.comment === comment ? 'old' : 'new'] += 1;
    comment = last.comment;
  }
  t.comment(`old ${seen.old}, new ${seen.new}`);
  t.match(await run(['verify']), { code: 0 });
  t.match(await run(['gc']), { code: 0 });
  t.match(await run(['commit', 'c', 'app:1', '-m', 'last']), { code: 0 });
  t.same(readdirSync(join(root, 'tmp')), [], 'nothing half-made is left');
  t.ok(existsSync(upperOf('c')));
});

t.test('what is not there: each command says where to look', async (t) => {
  const image = /`stratafs images` lists what is there\n$/;
  const container = /`stratafs ps -a` lists/;
  for (const words of [['history'], ['inspect'], ['rmi'], ['push'], ['save'], ['create'], ['run'], ['tag', '', 'to']]) {
    const [command = '', , ...rest] = words;
    for (const none of ['none', 'NONE']) t.match(await run([command, none, ...rest]), { code: 1, err: image }, command);
  }
  for (const words of [['start'], ['stop'], ['rm'], ['diff'], ['commit', '', 'to']]) {
    const [command = '', , ...rest] = words;
    t.match(await run([command, 'none', ...rest]), { code: 1, err: container }, command);
  }
});

t.test('diff of a container by its name', async (t) => {
  t.match(await run(['create', 'web:1', '--name', 'named']), { code: 0 });
  writeFileSync(join(upperOf('named'), 'added'), '');
  t.match((await run(['diff', 'named'])).out.toString(), 'A /added\n');
  t.match(await run(['rm', 'named']), { code: 0 });
});

t.test('a run that could not begin leaves no container', { skip: process.geteuid?.() !== 0 }, async (t) => {
  for (const words of [['web:1'], ['-u', 'stranger', 'web:1', 'x'], ['-w', 'srv', 'web:1', 'x']]) {
    t.match(await run(['run', '--runtime', '/bin/true', ...words]), { code: 1 }, words.join(' '));
  }
  t.same(readdirSync(join(root, 'containers')), ['c']);
});

t.test('run: words after the image are the command', async (t) => {
  const { code, err } = await run(['run', '--runtime', '/no/such', 'web:1', 'ls', '--rm', '-x']);
  t.match({ code, err }, { code: 1, err: /--runtime \/no\/such: there is no such program|run needs root/ });
  t.same(
    ((await json('ps', '-a')) as { name: string }[]).map(({ name }) => name),
    ['c'],
    'nothing was made',
  );
});
