// Layer tars against the tools that others read and write them with: GNU tar, bsdtar, umoci.

import { execFileSync, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t, { type Test } from 'tap';
import { applyLayer } from '../../lib/image/apply.js';
import { layerTar } from '../../lib/image/layer-tar.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import {
  device,
  differences,
  dir,
  fifo,
  file,
  hardlink,
  readTree,
  sparse,
  symlink,
  type TreeSpec,
} from '../support/tree.js';

/** Why a test of `tool` is skipped; false when it is here. */
function absent(tool: string): string | false {
  return spawnSync(tool, ['--version']).error === undefined ? false : `SKIP: ${tool} is not installed`;
}

const capability = '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
const tree: TreeSpec = {
  '.': dir({}, { mode: 0o755 }),
  a: file('a\n', { mode: 0o4755, uid: 1000, gid: 7, xattrs: { 'user.k': '\0=\n', 'security.capability': capability } }),
  b: hardlink('a'),
  d: dir(
    { [`long${'x'.repeat(240)}`]: file('x', { mtime: 987_654_321n }), '\xff\xfe': symlink('somewhere'), e: dir({}) },
    { mode: 0o2711, gid: 9 },
  ),
  dev: device(5, 300),
  fifo: fifo(),
  holes: sparse(8_000_000, { 4096: 'data', 5000000: 'more' }),
  s: symlink('t'.repeat(200)),
  big: file('x'.repeat(200_000)),
};

interface Layer {
  readonly base: string;
  readonly upper: string;
  readonly tar: string;
}

async function layer(t: Test): Promise<Layer> {
  const base = freshDirectory('interop');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const [upper, tar] = [join(base, 'upper'), join(base, 'layer.tar')];
  mkdirSync(upper);
  plant(upper, tree);
  await pipeline(Readable.from(layerTar(syscalls, { upper, lowers: [] })), createWriteStream(tar));
  return { base, upper, tar };
}

const how = { mtime: true, xattrs: 'all' } as const;

t.test('GNU tar unpacks what we write', { skip: absent('tar') }, async (t) => {
  const { base, upper, tar } = await layer(t);
  const out = join(base, 'out');
  mkdirSync(out);
  execFileSync('tar', ['--xattrs', '--xattrs-include=*', '--same-owner', '-xpf', tar, '-C', out]);
  t.same(differences(await readTree(out, how), await readTree(upper, how)), []);
});

t.test('we unpack what GNU tar writes', { skip: absent('tar') }, async (t) => {
  const { base, upper } = await layer(t);
  const [tar, out] = [join(base, 'gnu.tar'), join(base, 'out')];
  execFileSync('tar', ['--xattrs', '--xattrs-include=*', '--format=posix', '-S', '-cf', tar, '-C', upper, '.']);
  mkdirSync(out);
  await applyLayer(syscalls, Readable.from([readFileSync(tar)]), out);
  t.same(differences(await readTree(out, how), await readTree(upper, how)), []);
});

t.test('bsdtar unpacks what we write', { skip: absent('bsdtar') }, async (t) => {
  const { base, upper, tar } = await layer(t);
  const out = join(base, 'out');
  mkdirSync(out);
  execFileSync('bsdtar', ['--xattrs', '--same-owner', '-xpf', tar, '-C', out]);
  // It sets no security.* xattrs.
  const seen = { mtime: true, xattrs: 'none' } as const;
  t.same(differences(await readTree(out, seen), await readTree(upper, seen)), []);
});

/** The layer in an OCI layout as umoci makes it; its image is called `t`. */
function layoutOf(base: string, tar: string): string {
  const layout = join(base, 'layout');
  const umoci = (...words: string[]): void => void execFileSync('umoci', words, { stdio: 'pipe' });
  umoci('init', '--layout', layout);
  umoci('new', '--image', `${layout}:t`);
  umoci('raw', 'add-layer', '--image', `${layout}:t`, tar);
  return layout;
}

t.test('umoci unpacks what we write', { skip: absent('umoci') }, async (t) => {
  const { base, upper, tar } = await layer(t);
  const layout = layoutOf(base, tar);
  const bundle = join(base, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${layout}:t`, bundle], { stdio: 'pipe' });
  const rootfs = join(bundle, 'rootfs');
  t.same(differences(await readTree(rootfs, how), await readTree(upper, how)), []);
  const manifest = spawnSync('sh', ['-c', 'ls "$0"/*.mtree', bundle], { encoding: 'utf8' }).stdout.trim();
  const gomtree = absent('gomtree');
  if (gomtree === false && existsSync(manifest)) {
    const { status, stdout } = spawnSync('gomtree', ['validate', '-f', manifest, '-p', upper], { encoding: 'utf8' });
    t.equal(status, 0, stdout);
  } else t.comment(`the manifest is not checked: ${gomtree}`);
});

t.test('whiteouts mean to umoci what they mean to us', { skip: absent('umoci') }, async (t) => {
  const { base, tar } = await layer(t);
  const upper = join(base, 'second');
  mkdirSync(upper);
  plant(upper, { a: { kind: 'whiteout', dialect: 'char' }, d: dir({ new: 'n' }, { opaque: 'trusted' }) });
  const second = join(base, 'second.tar');
  const source = { upper, lowers: [join(base, 'upper')] };
  await pipeline(Readable.from(layerTar(syscalls, source)), createWriteStream(second));
  const layout = layoutOf(base, tar);
  execFileSync('umoci', ['raw', 'add-layer', '--image', `${layout}:t`, second], { stdio: 'pipe' });
  const bundle = join(base, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${layout}:t`, bundle], { stdio: 'pipe' });
  const names = Object.keys(await readTree(join(bundle, 'rootfs'))).sort();
  t.same(names, ['.', './b', './big', './d', './d/new', './dev', './fifo', './holes', './s']);
});
