// Where a path comes from and what it hides: through whiteouts, opaque directories, redirects and metadata-only copies, in the
// upper and between lowers.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Finding, trace } from '../../lib/image/trace.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { dir, file, sparse, type TreeSpec, whiteout } from '../support/tree.js';

const base = freshDirectory('trace');
t.teardown(() => rmSync(base, { recursive: true, force: true }));
let count = 0;

/** Layers, top first: an upper and lowers. */
function planted(...layers: TreeSpec[]): string[] {
  count += 1;
  return layers.map((spec, at) => {
    const path = join(base, `${count}-${at}`);
    mkdirSync(path);
    plant(path, spec);
    return path;
  });
}

function line(finding: Finding | null): string {
  if (finding === null) return 'nothing';
  if (finding.kind !== 'shown') return `${finding.kind} ${finding.at.layer}:${finding.at.path}`;
  const parts = finding.parts.map(({ layer, path }) => `${layer}:${path}`);
  const data = finding.data === null ? [] : [`data ${finding.data.layer}:${finding.data.path}`];
  return [finding.type, ...parts, ...data].join(' ');
}

async function traced([upper = null, ...lowers]: (string | null)[], path: string): Promise<string[]> {
  const { top, hides } = await trace(syscalls, { upper, lowers: lowers as string[] }, path);
  return [top, ...hides].map(line);
}

t.test('files over files, a whiteout between them', async (t) => {
  const layers = planted({ f: file('u') }, { f: file('1') }, { f: whiteout() }, { f: file('333') });
  t.same(await traced(layers, 'f'), ['file 0:/f', 'file 1:/f', 'whiteout 2:/f', 'file 3:/f']);
  t.same(await traced([null, ...layers.slice(1)], '/f'), ['file 1:/f', 'whiteout 2:/f', 'file 3:/f'], 'no upper');
  const { top } = await trace(syscalls, { upper: null, lowers: layers.slice(3) }, 'f');
  t.match(top, { size: 3, mode: 0o644, linked: false, parts: [{ directory: layers[3], layer: 1 }] });
});

t.test('deleted, by itself and with its directory', async (t) => {
  const layers = planted({ f: whiteout(), d: whiteout() }, { f: file('') }, { d: dir({ x: file('') }) });
  t.same(await traced(layers, 'f'), ['whiteout 0:/f', 'file 1:/f']);
  t.same(await traced(layers, 'd/x'), ['whiteout 0:/d', 'file 2:/d/x']);
  t.same(await traced(layers, 'd/none'), ['nothing']);
  t.same(await traced(layers, 'none'), ['nothing']);
});

t.test('directories: merged parts hide nothing, opaque ones do', async (t) => {
  const layers = planted(
    { d: dir({}) },
    { d: dir({ x: file('') }, { opaque: 'trusted' }) },
    { d: dir({ y: file('') }) },
  );
  t.same(await traced(layers, 'd'), ['directory 0:/d 1:/d', 'directory 2:/d']);
  t.same(await traced(layers, 'd/x'), ['file 1:/d/x']);
  t.same(await traced(layers, 'd/y'), ['opaque 1:/d', 'file 2:/d/y']);
  t.same(await traced(layers, '/'), ['directory 0:/ 1:/ 2:/']);
});

t.test('a file in the place of a directory', async (t) => {
  const layers = planted({ d: file('') }, { d: dir({ x: file('') }) });
  t.same(await traced(layers, 'd'), ['file 0:/d', 'directory 1:/d']);
  t.same(await traced(layers, 'd/x'), ['no directory 0:/d', 'file 1:/d/x']);
});

t.test('a renamed directory comes from where it was', async (t) => {
  const upper = { b: dir({}, { xattrs: { 'trusted.overlay.redirect': '/a' } }), a: whiteout() };
  const layers = planted(upper, { a: dir({ x: file('') }), b: dir({ own: file('') }) });
  t.same(await traced(layers, 'b'), ['directory 0:/b 1:/a', 'directory 1:/b']);
  t.same(await traced(layers, 'b/x'), ['file 1:/a/x']);
  t.same(await traced(layers, 'b/own'), ['redirect 0:/b', 'file 1:/b/own']);
  t.same(await traced(layers, 'a/x'), ['whiteout 0:/a', 'file 1:/a/x']);
});

t.test('a metadata-only copy has its bytes elsewhere, and does not hide them', async (t) => {
  const marks = { mode: 0o600, xattrs: { 'trusted.overlay.metacopy': '' } };
  const upper = { f: sparse(5, {}, marks) };
  const layers = planted(upper, { f: file('12345') }, { f: file('below') });
  t.same(await traced(layers, 'f'), ['file 0:/f data 1:/f', 'file 2:/f']);
});

t.test('names that are no UTF-8', async (t) => {
  t.same(await traced(planted({ 'n\xff': file('') }, { 'n\xff': file('') }), 'n\xff'), [
    'file 0:/n\xff',
    'file 1:/n\xff',
  ]);
});
