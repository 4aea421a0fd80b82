// Unpacking a layer tar: what must be kept, what must be refused, and that nothing outside is touched.

import { Buffer } from 'node:buffer';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { type Applied, type ApplyLimits, applyLayer } from '../../lib/image/apply.js';
import { Room } from '../../lib/image/room.js';
import { type TarEntry, TarError, type TarType } from '../../lib/image/tar/entry.js';
import { type Outgoing, writeTar } from '../../lib/image/tar/writer.js';
import { liveFds } from '../../lib/sys/fd.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { raw } from '../support/plant.js';

function member(path: string, type: TarType, more: Partial<TarEntry> = {}, content = ''): Outgoing {
  const entry: TarEntry = {
    ...{ path, type, mode: type === 'directory' ? 0o755 : 0o644, uid: 0, gid: 0, size: content.length },
    ...{ mtime: { seconds: 1, nanoseconds: 2 }, target: '', major: 0, minor: 0, xattrs: new Map(), extents: null },
    ...more,
  };
  return { entry, data: Readable.from([Buffer.from(content, 'latin1')]) };
}

const f = (path: string, content = '', more: Partial<TarEntry> = {}): Outgoing => member(path, 'file', more, content);
const d = (path: string, more: Partial<TarEntry> = {}): Outgoing => member(path, 'directory', more);
const link = (path: string, target: string): Outgoing => member(path, 'hardlink', { target });
const symlink = (path: string, target: string): Outgoing => member(path, 'symlink', { target });

interface Unpacked {
  readonly base: string;
  readonly into: string;
  readonly applied: Promise<Applied>;
}

function unpack(t: Test, members: readonly Outgoing[], limits: Partial<ApplyLimits> = {}): Unpacked {
  const base = freshDirectory('apply');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const into = join(base, 'into');
  mkdirSync(into);
  writeFileSync(join(base, 'outside'), 'untouched');
  mkdirSync(join(base, 'beside'));
  return { base, into, applied: applyLayer(sys, writeTar(members), into, limits) };
}

const xattr = (path: string, key: string): string | number => {
  const fd = sys.openPath(path, 0);
  const value = sys.getXattr(fd, '', key);
  sys.close(fd);
  return typeof value === 'number' ? value : Buffer.from(value).toString('latin1');
};
const isWhiteout = (path: string): boolean => lstatSync(path).isCharacterDevice() && lstatSync(path).rdev === 0;

const long = 'n'.repeat(256);
const hostile: Readonly<Record<string, readonly Outgoing[]>> = {
  'a path upwards': [f('../outside', 'x')],
  'a path upwards in the middle': [d('a'), f('a/../../outside', 'x')],
  'a directory upwards': [d('..')],
  'a path through a symlink': [symlink('a', '..'), f('a/outside', 'x')],
  'a path through an absolute symlink': [symlink('a', '/'), d('a/tmp')],
  'a path through a symlink to a directory of the archive': [d('d'), symlink('a', 'd'), f('a/x', 'x')],
  'a path through a file': [f('a', 'x'), f('a/b', 'x')],
  'a path through a device': [member('a', 'char', { major: 1, minor: 3 }), f('a/b', 'x')],
  'a path through a whiteout': [f('.wh.a'), f('.wh.a/b')],
  'a hard link upwards': [link('a', '../outside')],
  'a hard link through a symlink': [symlink('s', '..'), link('a', 's/outside')],
  'a hard link to an absolute path outside': [link('a', '/etc/passwd')],
  'a hard link to what comes later': [link('a', 'b'), f('b')],
  'a hard link to a directory': [d('b'), link('a', 'b')],
  'a hard link to a whiteout': [f('.wh.b'), link('a', 'b')],
  'a hard link to a whiteout by its name': [f('.wh.b'), link('a', '.wh.b')],
  'a hard link to itself': [link('a', 'a')],
  'a hard link over a directory': [f('b'), d('a'), link('a', 'b')],
  'a file over a directory': [d('a'), f('a')],
  'a directory over a file': [f('a'), d('a')],
  'a directory over a symlink': [symlink('a', 'b'), d('a')],
  'a symlink over a directory': [d('a'), f('a/x'), symlink('a', '/')],
  'a long name': [f(long)],
  'a long path': [f(`${'n/'.repeat(2100)}n`)],
  'a NUL in a name': [f('a\0b'.padEnd(120, 'x'))],
  'a root that is a file': [f('.')],
  'a symlink to nothing': [symlink('a', '')],
  'a whiteout of nothing': [f('.wh.')],
  'a whiteout of the directory itself': [f('.wh..')],
  'a whiteout of the directory above': [f('.wh...')],
  'a whiteout that is a directory': [d('.wh.a')],
  'a whiteout that is a symlink': [symlink('.wh.a', '..')],
  'an opaque mark in a whiteout': [f('.wh.a/.wh..wh..opq')],
  'an opaque mark through a symlink': [symlink('a', '..'), f('a/.wh..wh..opq')],
  'a whiteout through a symlink': [symlink('a', '..'), f('a/.wh.outside')],
  'a whiteout upwards': [f('../.wh.outside')],
};

for (const [name, members] of Object.entries(hostile)) {
  void t.test(`refused: ${name}`, async (t) => {
    const { base, applied } = unpack(t, members);
    await t.rejects(applied, TarError);
    t.same(readdirSync(base).sort(), ['beside', 'into', 'outside']);
    t.equal(readFileSync(join(base, 'outside'), 'utf8'), 'untouched');
    t.equal(lstatSync(join(base, 'outside')).nlink, 1);
    t.equal(liveFds(), 0);
  });
}

const bounds: Readonly<Record<string, Partial<ApplyLimits>>> = {
  members: { entries: 3 },
  bytes: { bytes: 5000 },
  devices: { devices: 1 },
};
for (const [name, limits] of Object.entries(bounds)) {
  void t.test(`bounded: ${name}`, async (t) => {
    const device = (path: string): Outgoing => member(path, 'block', { major: 7, minor: 300 });
    const members = (): Outgoing[] => [f('a', 'x'.repeat(4000)), device('b'), device('c'), f('d', 'x'.repeat(4000))];
    await t.rejects(unpack(t, members(), limits).applied, TarError);
    const { into, applied } = unpack(t, members());
    t.same(await applied, { entries: 4, bytes: 8000, leftOut: 0 });
    t.equal(lstatSync(join(into, 'b')).rdev, (7 << 8) | (300 & 0xff) | ((300 & ~0xff) << 12));
  });
}

t.test('bounded: what expands takes no more than its room, and zeros take none', async (t) => {
  const suspect = { fold: 10, slack: 0 };
  const members = (): Outgoing[] => [
    f('a', 'x'.repeat(4000)),
    f('zeros', '\0'.repeat(300_000)),
    f('b', 'x'.repeat(4000)),
  ];
  const refused = unpack(t, members(), { guard: new Room(7000, false).guard(suspect) });
  await t.rejects(refused.applied, { name: 'ImageError', message: /expands .* --max-unpacked SIZE/ });
  await t.rejects(unpack(t, members(), { guard: new Room(7000, true).guard() }).applied, /of --max-unpacked/);
  await unpack(t, members(), { guard: new Room(7000, false).guard() }).applied;
  const { into, applied } = unpack(t, members(), { guard: new Room(8000, false).guard(suspect) });
  t.match(await applied, { bytes: 308_000 });
  const { size, blocks } = lstatSync(join(into, 'zeros'));
  t.same([size, blocks], [300_000, 0]);
  t.equal(readFileSync(join(into, 'zeros')).compare(Buffer.alloc(300_000)), 0);
});

t.test('zeros among data are where they were', async (t) => {
  const content = Buffer.alloc(1_000_003);
  for (const [at, text] of [
    [0, 'a'],
    [65_535, 'bc'],
    [400_000, 'd'],
    [900_000, 'e'],
  ] as const)
    content.write(text, at);
  const { into, applied } = unpack(t, [f('n', 'n'.repeat(100)), f('s', content.toString('latin1'))]);
  await applied;
  t.equal(readFileSync(join(into, 's')).compare(content), 0);
  t.ok(lstatSync(join(into, 's')).blocks * 512 < 500_000);
});

t.test('bounded: what is kept in memory', async (t) => {
  const large = new Map([['user.k', raw('x'.repeat(3000))]]);
  const directories = (): Outgoing[] => [
    d('a', { xattrs: large }),
    d('a', { xattrs: large }),
    f('.wh.b'),
    f('c/d/e/f'),
  ];
  await t.rejects(unpack(t, directories(), { kept: 5000 }).applied, TarError);
  t.equal((await unpack(t, directories(), { kept: 7000 }).applied).entries, 4);
});

t.test('a directory that is not empty', async (t) => {
  const { into, applied } = unpack(t, [f('a')]);
  await applied;
  await t.rejects(applyLayer(sys, writeTar([]), into), { code: 39 });
});

t.test('what is kept', async (t) => {
  const capability = '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
  const name = `\xff\xfe${'m'.repeat(250)}`;
  const { into, applied } = unpack(t, [
    d('.', { mode: 0o711, uid: 3 }),
    d('d', { mode: 0o2750, uid: 1, gid: 2, xattrs: new Map([['user.k', raw('\0v')]]) }),
    f('d/setuid', 'code', {
      mode: 0o4755,
      uid: 4,
      gid: 5,
      xattrs: new Map([['security.capability', raw(capability)]]),
    }),
    f(`/./d//${name}`, 'named'),
    link('also', 'd/setuid'),
    symlink('sym', '/absolute/../target'),
    link('sym2', 'sym'),
    member('fifo', 'fifo', { mode: 0o600 }),
    f('implied/deep/x', 'x'),
    f('old', '', { mtime: { seconds: -5, nanoseconds: 250 } }),
  ]);
  await applied;
  const at = (path: string) => lstatSync(join(into, path), { bigint: true });
  t.equal(Number(lstatSync(into).mode) & 0o7777, 0o711);
  t.same([Number(at('d').mode) & 0o7777, at('d').uid, at('d').gid, at('d').mtimeNs], [0o2750, 1n, 2n, 1_000_000_002n]);
  t.equal(xattr(join(into, 'd'), 'user.k'), '\0v');
  t.same([Number(at('also').mode) & 0o7777, at('also').nlink, at('also').uid], [0o4755, 2n, 4n]);
  t.equal(xattr(join(into, 'also'), 'security.capability'), capability);
  t.ok(readdirSync(Buffer.from(join(into, 'd')), 'latin1').includes(name));
  t.equal(readlinkSync(join(into, 'sym2')), '/absolute/../target');
  t.equal(at('sym').ino, at('sym2').ino);
  t.ok(at('fifo').isFIFO());
  t.same([Number(at('implied/deep').mode) & 0o7777, at('implied').mtimeNs], [0o755, 0n]);
  t.equal(at('old').mtimeNs, -4_999_999_750n);
});

t.test('holes', async (t) => {
  const extents = [
    { offset: 4096, length: 3 },
    { offset: 10_000_000, length: 4 },
  ];
  const entry = { size: 50_000_000, extents };
  const { into, applied } = unpack(t, [{ ...f('s', 'onetwo!', entry) }]);
  await applied;
  const { size, blocks } = lstatSync(join(into, 's'));
  t.equal(size, 50_000_000);
  t.ok(blocks < 100);
  const content = readFileSync(join(into, 's'));
  t.equal(content.toString('latin1', 4096, 4100), 'one\0');
  t.equal(content.toString('latin1', 9_999_999, 10_000_005), '\0two!\0');
});

t.test('the later of two files counts, and its other names stay', async (t) => {
  const { into, applied } = unpack(t, [
    f('a', 'old'),
    link('b', 'a'),
    f('a', 'new'),
    symlink('c', '/'),
    f('c', 'file'),
  ]);
  await applied;
  t.equal(readFileSync(join(into, 'a'), 'utf8'), 'new');
  t.equal(readFileSync(join(into, 'b'), 'utf8'), 'old');
  t.equal(readFileSync(join(into, 'c'), 'utf8'), 'file');
});

t.test('whiteouts and opaque directories', async (t) => {
  const { into, applied } = unpack(t, [
    f('.wh.a', '', { mode: 0o6777, uid: 9 }),
    f('d/.wh.b'),
    f('d/.wh.b'),
    link('.wh.c', '.wh..wh.aufs'),
    d('.wh..wh.plnk'),
    f('.wh..wh.plnk/1.2', 'x'),
    f('o/.wh..wh..opq'),
    f('o/x', 'x'),
    d('both'),
    f('.wh.both'),
    f('.wh.again'),
    f('again/x', 'x'),
    f('.wh.file'),
    f('file', 'x'),
  ]);
  await applied;
  t.same(readdirSync(into).sort(), ['a', 'again', 'both', 'c', 'd', 'file', 'o']);
  for (const path of ['a', 'd/b', 'c']) t.ok(isWhiteout(join(into, path)), path);
  t.equal(lstatSync(join(into, 'a')).mode & 0o7777, 0, 'a whiteout has no mode');
  for (const path of ['o', 'both', 'again']) t.equal(xattr(join(into, path), 'trusted.overlay.opaque'), 'y', path);
  t.equal(readFileSync(join(into, 'file'), 'utf8'), 'x');
});

t.test('nothing of an archive becomes a mark', async (t) => {
  const marks = new Map([
    ['trusted.overlay.opaque', raw('y')],
    ['trusted.overlay.redirect', raw('/etc')],
    ['user.overlay.metacopy', raw('')],
    ['user.containers.override_stat', raw('0:0:04755')],
    ['user.fuseoverlayfs.opaque', raw('y')],
    ['security.selinux', raw('of another host')],
  ]);
  const { into, applied } = unpack(t, [d('d', { xattrs: marks }), member('d/null', 'char')]);
  t.equal((await applied).leftOut, 3);
  const at = join(into, 'd');
  t.equal(xattr(at, 'trusted.overlay.opaque'), -61);
  t.equal(xattr(at, 'trusted.overlay.overlay.opaque'), 'y');
  t.equal(xattr(at, 'trusted.overlay.overlay.redirect'), '/etc');
  t.equal(xattr(at, 'user.overlay.metacopy'), -61);
  t.equal(xattr(at, 'user.containers.override_stat'), -61);
  t.ok(lstatSync(join(at, 'null')).isFile(), 'a device 0:0 is no whiteout');
  t.equal(xattr(join(at, 'null'), 'trusted.overlay.overlay.whiteout'), 'char');
});
