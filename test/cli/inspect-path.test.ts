// `stratafs inspect PATH` on a running mount: lines for people, JSON for programs, images beside paths.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { file as member, onStore, tarOf } from '../support/images.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { dir, file, type TreeSpec } from '../support/tree.js';

const base = freshDirectory('inspect-path');
const root = join(base, 'store');
const run = onStore(root);

function planted(name: string, spec: TreeSpec): string {
  const path = join(base, name);
  mkdirSync(path);
  plant(path, spec);
  return path;
}

const at = planted('at', {});
const [one, two] = [planted('one', { f: file('1') }), planted('two', { f: file('22'), d: dir({ x: file('') }) })];
const [upper, work] = [planted('upper', {}), planted('work', {})];

t.before(async () => {
  const list = `lowerdir=${one}:${two},upperdir=${upper},workdir=${work}`;
  t.equal((await run(['mount', '-o', list, at])).code, 0);
  writeFileSync(join(at, 'f'), 'new');
  rmSync(join(at, 'd'), { recursive: true });
  symlinkSync('/nowhere', join(at, 'link'));
});
t.teardown(async () => {
  await run(['umount', at]);
  rmSync(base, { recursive: true, force: true });
});

const text = async (...paths: string[]): Promise<string> => (await run(['inspect', ...paths])).out.toString();

t.test('which layer shows it, and what is hidden by it', async (t) => {
  t.equal(
    await text(join(at, 'f')),
    `/f in the mount at ${at}  (file, 0644, 0:0, 3 bytes)\n` +
      `from    the upper: ${upper}/f\n` +
      `hides   lower 1 of 2: ${one}/f  (file, 0644, 0:0, 1 bytes)\n` +
      `hides   lower 2 of 2: ${two}/f  (file, 0644, 0:0, 2 bytes)\n`,
  );
  t.match(await text(join(at, 'link')), /^\/link .*\(symlink, /, 'a link itself');
  t.match(await text(`${at}/./d/../f`), /^\/f in the mount/);
});

t.test('what is deleted', async (t) => {
  const answer = await text(join(at, 'd', 'x'));
  t.match(answer, /^\/d\/x in .*\(deleted by a whiteout\)\nby {6}the upper: .*\/upper\/d\nhides {3}lower 2 of 2: /);
});

t.test('for programs', async (t) => {
  const found = JSON.parse(await text('--json', join(at, 'f'), at));
  t.match(found, [
    {
      ...{ path: '/f', mountpoint: at, kind: 'shown', type: 'file', mode: '0644', size: 3 },
      from: { layer: 0, kind: 'upper', directory: upper, path: '/f' },
      hides: [{ from: { layer: 1, directory: one } }, { size: 2, from: { layer: 2, kind: 'lower', path: '/f' } }],
    },
    { path: '/', type: 'directory', mergedWith: [{ directory: one }, { directory: two }], hides: [] },
  ]);
});

t.test('a layer of the store is told by its image', async (t) => {
  await run(['import', '-m', 'the first', '-', 'web:1'], await tarOf([member('f', 'in web')]));
  const [image] = JSON.parse(await text('web:1')) as [{ Layers: { DiffId: string; Directory: string }[] }];
  const [layer] = image.Layers as [{ DiffId: string; Directory: string }];
  const place = planted('place', {});
  t.match(await run(['mount', '-o', `lowerdir=${one}:${layer.Directory}`, place]), { code: 0 });
  try {
    const [{ hides }] = JSON.parse(await text('--json', join(place, 'f'))) as [{ hides: unknown[] }];
    t.match(hides, [{ from: { diffId: layer.DiffId, images: ['web:1'], comment: 'the first' } }]);
    t.match(await text(join(place, 'f')), `layer ${layer.DiffId} of web:1\n`);
    t.match(await text('web:1', join(place, 'f')), /^\[\n {2}\{\n {4}"Id"[\s\S]*\]\n\/f in the mount at /);
  } finally {
    t.match(await run(['umount', place]), { code: 0 });
  }
});

t.test('complaints', async (t) => {
  const complaint = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await run(['inspect', ...words]);
    t.equal(code, 1);
    t.equal(out.length, 0);
    return err;
  };
  t.match(await complaint('/etc'), 'stratafs: /etc is in no stratafs mount: give a path of one, or an image (');
  t.match(await complaint(join(at, 'none')), /no layer of the mount at .* has it, nor hides it\n$/);
  t.match(
    await complaint('none'),
    /no image none in .*: pull, load or import it first; `stratafs images` lists what is there\n$/,
  );
  t.match(await complaint('--type', 'x', 'none'), '--type x: image or path is wanted');
});
