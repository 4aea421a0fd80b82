// What stands in a layer tar, member by member.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { layerTar } from '../../lib/image/layer-tar.js';
import { readTar } from '../../lib/image/tar/reader.js';
import type { LayerSource } from '../../lib/image/view.js';
import { setSink } from '../../lib/log.js';
import { liveFds } from '../../lib/sys/fd.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { device, dir, file, hardlink, MADE_AT, sparse, symlink, type TreeSpec, whiteout } from '../support/tree.js';

function planted(t: Test, upper: TreeSpec, lowers: readonly TreeSpec[] = []): LayerSource {
  const base = freshDirectory('layer-tar');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const make = (name: string, spec: TreeSpec): string => {
    const path = join(base, name);
    mkdirSync(path);
    plant(path, spec);
    return path;
  };
  return { upper: make('upper', upper), lowers: lowers.map((spec, index) => make(`lower${index}`, spec)) };
}

/** A line for each member: type, path, what it holds or leads to. */
async function members(source: LayerSource): Promise<string[]> {
  const lines: string[] = [];
  for await (const { entry, data } of readTar(layerTar(syscalls, source))) {
    let content = '';
    for await (const chunk of data) content += chunk.toString('latin1');
    lines.push([entry.type, entry.path, content, entry.target, ...entry.xattrs.keys()].filter(Boolean).join(' '));
  }
  return lines;
}

t.test('the order of bytes, and hard links to the first name', async (t) => {
  const source = planted(t, {
    d: dir({ z: file('z'), a: hardlink('b') }),
    'd.x': file(''),
    'd-': file(''),
    b: file('b'),
    '\xff': symlink('x'),
    dev: device(1, 3),
  });
  t.same(await members(source), [
    'directory .',
    'file b b',
    'directory d',
    'file d-',
    'file d.x',
    'hardlink d/a b',
    'file d/z z',
    'char dev',
    'symlink \xff x',
  ]);
});

t.test('renamed directories whole, and what they hide', async (t) => {
  const redirect = { xattrs: { 'trusted.overlay.redirect': '/old' } };
  const upper = { new: dir({ added: file('n'), x: whiteout() }, redirect), old: whiteout(), there: dir({}, redirect) };
  const lower = { old: dir({ x: file('x'), y: dir({ z: file('z') }) }), there: dir({ hidden: file('') }) };
  t.same(await members(planted(t, upper, [lower])), [
    'directory .',
    'file .wh.old',
    'directory new',
    'file new/added n',
    'directory new/y',
    'file new/y/z z',
    'directory there',
    'file there/.wh..wh..opq',
    'file there/x x',
    'directory there/y',
    'file there/y/z z',
  ]);
  await t.rejects(members(planted(t, upper)), { message: /renamed: its lowers are needed/ });
});

t.test('whiteouts and opaque marks count where they hide something', async (t) => {
  const upper = {
    none: whiteout(),
    gone: whiteout('wh'),
    o: dir({}, { opaque: 'trusted' }),
    fresh: dir({}, { opaque: 'user' }),
  };
  t.same(await members(planted(t, upper, [{ gone: file(''), o: dir({}) }])), [
    'directory .',
    'file .wh.gone',
    'directory fresh',
    'directory o',
    'file o/.wh..wh..opq',
  ]);
  const all = ['directory .', 'file .wh.gone', 'file .wh.none', 'directory fresh', 'file fresh/.wh..wh..opq'];
  t.same(await members(planted(t, upper)), [...all, 'directory o', 'file o/.wh..wh..opq'], 'nobody knows');
});

t.test('metadata-only copies have their data', async (t) => {
  const meta = sparse(5, {}, { xattrs: { 'trusted.overlay.metacopy': '', 'trusted.overlay.redirect': '/data' } });
  t.same(await members(planted(t, { meta }, [{ data: file('12345') }])), ['directory .', 'file meta 12345']);
  await t.rejects(members(planted(t, { meta }, [{}])), { code: 5 }, 'never zeros');
});

t.test('a broken lower that the upper hides spoils nothing', async (t) => {
  const broken = sparse(5, {}, { xattrs: { 'trusted.overlay.metacopy': '' } });
  const source = planted(t, { a: file('new'), b: whiteout() }, [{ a: broken, b: broken }]);
  t.same(await members(source), ['directory .', 'file .wh.b', 'file a new']);
});

t.test('xattrs that users see', async (t) => {
  const xattrs = {
    'user.k': 'v',
    'trusted.overlay.origin': 'x',
    'trusted.overlay.overlay.opaque': 'y',
    'user.fuseoverlayfs.x': '',
    'security.selinux': 'label',
  };
  t.same(await members(planted(t, { f: file('', { xattrs }) })), [
    'directory .',
    'file f trusted.overlay.opaque user.k',
  ]);
});

t.test('a device 0:0 that a user made is a device', async (t) => {
  const nested = file('', { xattrs: { 'trusted.overlay.overlay.whiteout': 'char' } });
  const source = planted(t, { d: dir({ nested }, { xattrs: { 'trusted.overlay.overlay.opaque': 'x' } }) });
  t.same(await members(source), ['directory .', 'directory d trusted.overlay.opaque', 'char d/nested']);
});

t.test('holes', async (t) => {
  const source = planted(t, {
    holes: sparse(9_000_000, { 4000000: 'x' }),
    empty: sparse(3_000_000, {}),
    small: sparse(9000, {}),
  });
  const found: Record<string, unknown> = {};
  for await (const { entry } of readTar(layerTar(syscalls, source)))
    found[entry.path] = [entry.size, entry.extents?.length];
  t.same(found, { '.': [0, undefined], holes: [9_000_000, 1], empty: [3_000_000, 0], small: [9000, undefined] });
});

t.test('times, and none that reading changes', async (t) => {
  const source = planted(t, { f: file('f') });
  const archive = async (): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of layerTar(syscalls, source)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const before = await archive();
  readFileSync(join(source.upper, 'f'));
  t.ok(before.equals(await archive()));
  t.match(before.toString('latin1'), `mtime=${MADE_AT / 1_000_000_000n}.${MADE_AT % 1_000_000_000n}\n`);
  t.notMatch(before.toString('latin1'), /[ac]time=/);
});

t.test('sockets are left out, and said', async (t) => {
  const said: string[] = [];
  setSink((line) => said.push(line));
  const source = planted(t, { f: file('') });
  const server = createServer().listen(join(source.upper, 'sock'));
  await new Promise((resolve) => server.once('listening', resolve));
  t.same(await members(source), ['directory .', 'file f']);
  t.match(said, [/\/sock: a socket/]);
  server.close();
});

t.test('who stops reading leaves nothing open', async (t) => {
  const source = planted(t, { big: file('x'.repeat(3_000_000)) });
  for await (const chunk of layerTar(syscalls, source)) {
    t.ok(chunk.length > 0);
    break;
  }
  t.equal(liveFds(), 0);
});
