// The commands for images as processes: what goes in comes out, errors are one line, names keep what they need.

import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { entry, file, onStore, program, tarOf } from '../support/images.js';
import { freshDirectory, mainScript } from '../support/paths.js';

/** Where the command is built, with what it needs. */
const built = resolve(dirname(mainScript), '..', '..', '..');
const base = freshDirectory('images');
const root = join(base, 'store');
const run = onStore(root);
t.teardown(() => rmSync(base, { recursive: true }));

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const json = async (...argv: string[]): Promise<unknown> => JSON.parse((await run([...argv, '--json'])).out.toString());
const count = (...parts: string[]): number => readdirSync(join(root, ...parts)).length;

const system = [
  { entry: entry('.', { type: 'directory' }) },
  { entry: entry('etc', { type: 'directory' }) },
  file('etc/motd', 'welcome\n'),
  { entry: entry('etc/link', { type: 'hardlink', target: 'etc/motd' }) },
  { entry: entry('etc/sym', { type: 'symlink', target: '/nowhere' }) },
  file('etc/\xe9\xff', 'a name that is no UTF-8'),
];

t.test('there is nothing in no store, and looking makes none', async (t) => {
  t.match(await run(['images', '--json']), { code: 0, err: '' });
  t.match(await run(['inspect', 'web']), {
    code: 1,
    err: /^stratafs: no image web in [^\n]+import it first; [^\n]+\n$/,
  });
  t.notOk(existsSync(root));
});

t.test('--root may come before the command', async (t) => {
  const elsewhere = join(base, 'elsewhere');
  t.match(await run(['--root', elsewhere, 'import', '-', 'there'], await tarOf(system)), { code: 0 });
  t.match(await run([`--root=${elsewhere}`, 'images', '-q']), { code: 0, out: Buffer.from('there:latest\n') });
  t.match(await run(['images', '-q']), { code: 0, out: Buffer.alloc(0) });
});

t.test('a store where nothing can be made ends in an error, and soon', async (t) => {
  const answer = await run(['import', '-', 'x', '--root', '/proc/none/store'], await tarOf(system));
  t.match(answer, { code: 1, err: /^stratafs: [^\n]*\/proc\/none[^\n]*\n$/ });
});

t.test('what is no archive is told by its name', async (t) => {
  t.match(await run(['load'], 'garbage'.repeat(100)), {
    code: 1,
    err: /^stratafs: standard input is no archive, or damaged: /,
  });
  writeFileSync(join(base, 'garbage'), 'garbage'.repeat(100));
  t.match(await run(['load', '-i', join(base, 'garbage')]), { code: 1, err: /\/garbage is no archive, or damaged: / });
  t.match(await run(['import', join(base, 'garbage'), 'x']), { code: 1, err: /\/garbage is no archive, or damaged: / });
  t.match(await run(['gc']), { code: 0 });
});

t.test('import: a tar becomes an image whose diff id is its digest', async (t) => {
  const tar = await tarOf(system);
  t.match(await run(['import', '-m', 'first', '-', 'web:1.0'], tar), { code: 0, out: /^/ });
  const [image] = (await json('inspect', 'web:1.0')) as Record<string, never>[];
  t.match(image, { RepoTags: ['web:1.0'], RootFS: { Layers: [`sha256:${sha256(tar)}`] } });
  const directory = (image as unknown as { Layers: { Directory: string }[] }).Layers[0]?.Directory as string;
  t.equal(readFileSync(join(directory, 'etc/motd'), 'utf8'), 'welcome\n');
  t.equal(lstatSync(join(directory, 'etc/motd')).nlink, 2);
  t.ok(existsSync(Buffer.concat([Buffer.from(`${directory}/etc/`), Buffer.from([0xe9, 0xff])])));
  t.match(await json('history', 'web:1.0'), [{ comment: 'first', createdBy: 'stratafs import' }]);
  t.match(await run(['import', '-', 'web:gz'], gzipSync(tar)), { code: 0 });
  t.equal(count('layers', 'sha256'), 1, 'the same tar, compressed, is the same layer');
});

t.test('tag, rmi: what a name still keeps stays', async (t) => {
  t.match(await run(['tag', 'web:1.0', 'localhost:5000/web']), { code: 0 });
  t.match(await run(['rmi', 'web:1.0', 'web:gz']), { code: 0, out: /^/ });
  t.match(await run(['inspect', 'web:1.0']), { code: 1 });
  t.equal(count('layers', 'sha256'), 1);
  t.equal(count('blobs', 'sha256'), 3);
  t.match(await run(['tag', 'localhost:5000/web', 'web:1.0']), { code: 0 });
});

t.test('du: layers of two images are shared', async (t) => {
  t.match(await run(['import', '-', 'other'], await tarOf([file('big', Buffer.alloc(100_000, 7))])), { code: 0 });
  const { images } = (await json('du')) as { images: { name: string; unique: number; shared: number }[] };
  t.same(
    images.map(({ name }) => name),
    ['localhost:5000/web:latest', 'web:1.0', 'other:latest'],
  );
  for (const { unique, shared } of images) t.ok(unique > 0 && shared === 0, 'names of one image share nothing');
  t.match(await run(['rmi', 'other']), { code: 0 });
});

t.test('save and load: the same image, byte for byte', async (t) => {
  const [before] = (await json('images')) as { digest: string; id: string }[];
  const saved = await run(['save', 'web:1.0', 'localhost:5000/web']);
  t.equal(saved.code, 0, saved.err);
  t.same((await run(['save', 'web:1.0', 'localhost:5000/web'])).out, saved.out, 'saved twice, equal');
  t.match(await run(['save', '-o', `${base}/layout/`, 'web:1.0']), { code: 0 });
  t.match(await run(['rmi', 'web:1.0', 'localhost:5000/web']), { code: 0 });
  t.equal(count('blobs', 'sha256') + count('layers', 'sha256'), 0, 'all of it is gone');
  t.match(await run(['load'], saved.out), { code: 0 });
  const [after, second] = (await json('images')) as { digest: string; id: string; name: string }[];
  t.match(after, { digest: before?.digest, id: before?.id, name: 'web:1.0' });
  t.match(second, { name: 'localhost:5000/web:latest' });
  t.match(await run(['load', '--name', 'fromdir:1', join(base, 'layout')]), { code: 0 });
  t.match(await json('inspect', 'fromdir:1'), [{ Digest: before?.digest }]);
});

t.test('verify: finds a changed blob and a changed layer, and discards them', async (t) => {
  t.match(await run(['verify']), { code: 0, out: /^/ });
  const [image] = (await json('inspect', 'web:1.0')) as unknown as {
    Layers: { Digest: string; Directory: string }[];
  }[];
  const [layer] = image?.Layers ?? [];
  appendFileSync(join(layer?.Directory ?? '', 'etc/motd'), 'more');
  const changed = await run(['verify', '--json']);
  t.equal(changed.code, 1);
  t.match(JSON.parse(changed.out.toString()).findings, [{ kind: 'layer', problem: /motd has another size|link/ }]);
  const blob = join(root, 'blobs/sha256', (layer?.Digest ?? '').slice(7));
  writeFileSync(blob, Buffer.concat([readFileSync(blob), Buffer.from('x')]));
  const damaged = await run(['verify', '--discard']);
  t.match(damaged, { code: 1, out: /^/ });
  t.match(damaged.out.toString(), /blob sha256:\w+: damaged/);
  t.notOk(existsSync(blob));
  const saved = await run(['load', join(base, 'layout')]);
  t.match(saved, { code: 0 });
});

t.test('two images on one layer; an image without its manifest can still be taken away', async (t) => {
  rmSync(root, { recursive: true });
  for (const name of ['one', 'two'])
    t.match(await run(['import', '-m', name, '-', name], await tarOf(system)), { code: 0 });
  const { images } = (await json('du')) as { images: { unique: number; shared: number }[] };
  for (const { unique, shared } of images) t.ok(unique < shared, 'the layer is shared, config and manifest are not');
  const [one] = (await json('inspect', 'one')) as { Digest: string; Layers: { Directory: string }[] }[];
  rmSync(join(root, 'blobs/sha256', (one?.Digest ?? '').slice(7)));
  t.match(await run(['images']), { code: 0, err: /^one:latest: .* is not in the store; pull or load/ });
  t.match(await run(['gc']), { code: 1, err: /one:latest cannot be read .*stratafs rmi one:latest/ });
  t.match(await run(['rmi', 'one']), { code: 0 });
  t.equal(count('layers', 'sha256'), 1, 'the layer of the other stays');
  t.ok(existsSync(join(one?.Layers[0]?.Directory ?? '', 'etc/motd')));
  t.match(await run(['verify']), { code: 0 });
});

t.test('a store of somebody else can be read and not changed', { skip: process.geteuid?.() !== 0 }, async (t) => {
  // The checkout may lie where a stranger cannot go: it is shown him here.
  const shown = join(base, 'checkout');
  mkdirSync(shown);
  const main = join(shown, relative(built, mainScript));
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, main];
  const bound = 'mount --bind "$1" "$2" && shift 2 && cd / && exec env -u NODE_OPTIONS "$@"';
  const stranger = (...argv: string[]) =>
    program(['unshare', '--mount', 'sh', '-c', bound, 'sh', built, shown, ...nobody, ...argv]);
  chmodSync(base, 0o755);
  t.match(
    await stranger('images', '--root', root),
    { code: 1, err: /^stratafs: [^\n]*permission denied[^\n]*\n$/ },
    'private',
  );
  chmodSync(root, 0o755);
  const answer = await stranger('images', '--root', root, '--json');
  t.match(JSON.parse(answer.out.toString()), [{ name: 'two:latest' }]);
  t.match(await run(['create', '--name', 'secret', 'two']), { code: 0 });
  const usage = await stranger('du', '--root', root, '--json');
  t.match(JSON.parse(usage.out.toString()), { images: [{ name: 'two:latest' }], containers: [] });
  t.match(await run(['rm', 'secret']), { code: 0 });
  t.match(await stranger('rmi', '--root', root, 'two'), {
    code: 1,
    err: /^stratafs: .* is not yours to change; --root [^\n]+\n$/,
  });
});

t.test('a hostile or damaged archive is refused whole', async (t) => {
  rmSync(root, { recursive: true });
  const hostile = await tarOf([file('good', 'x'), file('../../escape', 'x')]);
  t.match(await run(['import', '-', 'bad'], hostile), { code: 1, err: /stratafs: [^\n]+\n$/ });
  const tar = await tarOf(system);
  t.match(await run(['import', '-', 'bad'], tar.subarray(0, 2000)), { code: 1 });
  t.match(await run(['import', '-', 'bad'], gzipSync(tar).subarray(0, 100)), { code: 1, err: /damaged gzip/ });
  t.match(await run(['load'], 'no archive at all'), { code: 1 });
  for (const folder of ['blobs/sha256', 'layers/sha256', 'tmp', 'partial']) t.equal(count(folder), 0, folder);
  t.match(await json('images'), []);
});

t.test('--max-unpacked: what takes more is refused whole, as is a size that is none', async (t) => {
  const tar = await tarOf([
    file('a', 'a'.repeat(3000)),
    file('zeros', Buffer.alloc(1 << 20)),
    file('b', 'b'.repeat(3000)),
  ]);
  const refused = { code: 1, err: /^stratafs: [^\n]*--max-unpacked[^\n]*\n$/ };
  t.match(await run(['import', '--max-unpacked', '5k', '-', 'large'], gzipSync(tar)), refused);
  t.match(await run(['import', '--max-unpacked', 'much', '-', 'large'], tar), refused);
  t.match(await run(['import', '--max-unpacked', '6k', '-', 'large'], tar), { code: 0 });
  const saved = (await run(['save', 'large'])).out;
  t.match(await run(['rmi', 'large']), { code: 0 });
  t.match(await run(['load', '--max-unpacked', '2k'], saved), {
    code: 1,
    err: /^stratafs: standard input: unpacked, it /,
  });
  t.match(await run(['load', '--max-unpacked', '5k'], saved), refused);
  for (const folder of ['blobs/sha256', 'layers/sha256', 'tmp', 'partial']) t.equal(count(folder), 0, folder);
  t.match(await json('images'), []);
});

t.test('an OCI layout with a wrong blob is refused', async (t) => {
  t.match(await run(['import', '-', 'web'], await tarOf(system)), { code: 0 });
  t.match(await run(['save', '-o', join(base, 'bad/'), 'web']), { code: 0 });
  t.match(await run(['rmi', 'web']), { code: 0 });
  const blobs = join(base, 'bad/blobs/sha256');
  const [largest] = readdirSync(blobs).sort((a, b) => lstatSync(join(blobs, a)).size - lstatSync(join(blobs, b)).size);
  writeFileSync(join(blobs, largest as string), 'something else');
  t.match(await run(['load', join(base, 'bad')]), { code: 1, err: /damaged|bytes/ });
  t.equal(count('blobs/sha256') + count('layers/sha256') + count('tmp'), 0);
});

t.test('mistakes with paths name the path and what to do', async (t) => {
  t.match(await run(['import', base, 'x']), { code: 1, err: /is a directory: tar -C .* \| stratafs import - NAME\n$/ });
  t.match(await run(['save', '-o', `${base}/none/x`, 'web']), { code: 1, err: /-o .*: there is no directory .*none/ });
  t.match(await run(['load', '-i', join(base, 'garbage')]), { code: 1, err: /garbage/ });
  t.match(await run(['load', '-i', join(base, 'layout/blobs')]), {
    code: 1,
    err: /layout\/blobs: neither an OCI layout/,
  });
});

t.test('a store that is no directory', async (t) => {
  for (const where of [join(base, 'garbage'), join(base, 'garbage/store')]) {
    for (const words of [['images'], ['ps', '-a'], ['gc'], ['import', '-', 'x']]) {
      const answer = await run([...words, '--root', where]);
      t.match(answer, { code: 1, err: /^stratafs: the store .* is no directory: [^\n]+\n$/ }, words.join(' '));
    }
  }
});

/** A small filesystem; null where none can be mounted. */
function small(t: Test, options: string): string | null {
  const place = join(base, 'small');
  mkdirSync(place, { recursive: true });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'small', place]).status !== 0) return null;
  t.teardown(() => void spawnSync('umount', [place]));
  return place;
}

t.test('a damaged list of names: every command says so, none takes it for an empty store', async (t) => {
  const damaged = join(base, 'damaged');
  t.match(await run(['import', '-', 'x', '--root', damaged], await tarOf(system)), { code: 0 });
  for (const text of ['{', '{}', '']) {
    writeFileSync(join(damaged, 'index.json'), text);
    for (const words of [['images'], ['gc'], ['rmi', 'x'], ['import', '-', 'y']]) {
      const answer = await run([...words, '-q', '--root', damaged], await tarOf(system));
      t.match(
        answer,
        { code: 1, err: /^stratafs: .*index\.json is damaged: put back a copy[^\n]*\n$/ },
        words.join(' '),
      );
    }
  }
  const layers = readdirSync(join(damaged, 'layers/sha256'));
  t.equal(layers.length, 1);
});

t.test('save: what does not fit leaves nothing', async (t) => {
  const place = small(t, 'size=100k');
  if (place === null) return void t.pass('no mounts here');
  t.match(await run(['import', '-', 'large'], await tarOf([file('noise', randomBytes(300_000))])), { code: 0 });
  for (const output of [join(place, 'x.tar'), join(place, 'made/')]) {
    const answer = await run(['save', '-q', '-o', output, 'large']);
    t.match(answer, { code: 1, err: /^stratafs: -o .*: no space left on the device\n$/ }, output);
    t.same(readdirSync(place), []);
  }
  t.match(await run(['rmi', 'large']), { code: 0 });
});

t.test('a store without room: the error says what to do, and nothing half-made is left', async (t) => {
  const place = small(t, 'size=1m');
  if (place === null) return void t.pass('no mounts here');
  const store = join(place, 'store');
  const full = { code: 1, err: /^stratafs: no space left for the store [^\n]*stratafs gc[^\n]*\n$/ };
  const noise = await tarOf([file('noise', randomBytes(2_000_000))]);
  t.match(await run(['import', '-q', '-', 'large', '--root', store], noise), full);
  const tar = await tarOf(system.slice(1, 3));
  const codes: (number | null)[] = [];
  // The last of so many is the list of names.
  for (let inodes = 16; codes.at(-1) !== 0; inodes += 1) {
    spawnSync('mount', ['-o', `remount,size=1m,nr_inodes=${inodes}`, place]);
    const answer = await run(['import', '-q', '-', 'small', '--root', store], tar);
    codes.push(answer.code);
    if (answer.code === 0) break;
    t.match(answer, full, `${inodes} inodes`);
    for (const folder of ['blobs/sha256', 'layers/sha256', 'tmp']) t.same(readdirSync(join(store, folder)), [], folder);
  }
  t.ok(codes.length > 2, codes.join(' '));
});

t.test('save and load tell how far they are, on standard error', async (t) => {
  t.match(await run(['import', '-', 'told'], await tarOf(system)), { code: 0 });
  const saved = await run(['save', 'told']);
  t.match(saved, { code: 0, err: /^(?:[0-9a-f]{12}: saved \(.*\)\n){3}$/ });
  t.match(await run(['save', '-q', 'told']), { code: 0, err: '' });
  t.match(await run(['load'], saved.out), { code: 0, err: /^load: read \(.*\)\n/ });
  t.match(await run(['rmi', 'told']), { code: 0 });
});

t.test('mistakes are one line', async (t) => {
  for (const argv of [
    ['tag', 'x'],
    ['rmi'],
    ['images', '--zap'],
    ['save', 'none'],
    ['import', '/none', 'x'],
    ['du', 'x'],
  ]) {
    const { code, err } = await run(argv);
    t.equal(code, 1, argv.join(' '));
    t.match(err, /^stratafs: [^\n]+\n$/);
  }
  t.match(await run(['pull-me']), { code: 1 });
  t.match(await run(['load', '--help']), { code: 0, out: /^/ });
});
