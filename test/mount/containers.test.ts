// Containers that are mounted: started, listed, committed while they are in use, stopped; and what a killed server leaves.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountsOf } from '../../lib/image/container/mount-table.js';
import { entry, file, onStore, program, tarOf } from '../support/images.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('mounted-containers');
const root = join(base, 'a, store: \\odd');
const run = onStore(root);
const merged = join(root, 'containers', 'c', 'merged');
t.teardown(async () => {
  await run(['rm', '-f', 'c']);
  rmSync(base, { recursive: true });
});

const json = async (...argv: string[]): Promise<unknown> => JSON.parse((await run([...argv, '--json'])).out.toString());
const status = async (): Promise<unknown> => ((await json('ps', '-a')) as { status: string }[])[0]?.status;
const treeOf = async (name: string): Promise<string> => {
  const [image] = (await json('inspect', name)) as [{ Layers: { Directory: string }[] }];
  return image.Layers.at(-1)?.Directory as string;
};

const docs = { entry: entry('docs', { type: 'directory' }) };
const system = [
  { entry: entry('.', { type: 'directory' }) },
  docs,
  file('docs/read.me', 'read me\n'),
  file('motd', 'old\n'),
];

t.before(async () => {
  await run(['import', '-', 'web:1'], await tarOf(system));
  await run(['create', 'web:1', '--name', 'c']);
});

t.test('start: says where, once', async (t) => {
  t.match(await run(['start', 'c']), { code: 0, err: '', out: Buffer.from(`${merged}\n`) });
  t.equal(readFileSync(join(merged, 'docs/read.me'), 'utf8'), 'read me\n');
  t.match(await json('ps'), [{ name: 'c', status: 'mounted', mountpoint: merged }]);
  t.match(await run(['start', 'c']), { code: 1, err: `stratafs: container c is mounted at ${merged} already\n` });
  t.match(await run(['rm', 'c']), { code: 1, err: /container c is mounted: stop it first, or -f/ });
});

t.test('commit: what was written through the mount, which goes on', async (t) => {
  rmSync(join(merged, 'docs'), { recursive: true });
  writeFileSync(join(merged, 'motd'), 'new\n');
  t.match(await run(['commit', '-m', 'no docs', 'c', 'web:2']), { code: 0 });
  const tree = await treeOf('web:2');
  t.same(readdirSync(tree).sort(), ['docs', 'motd']);
  t.equal(readFileSync(join(tree, 'motd'), 'utf8'), 'new\n');
  writeFileSync(join(merged, 'later'), 'x');
  t.match(await run(['commit', merged, 'web:3']), { code: 0 }, 'by its mountpoint');
  t.ok(existsSync(join(await treeOf('web:3'), 'later')));
  t.equal(await status(), 'mounted');
  t.match(await run(['verify']), { code: 0 }, 'whiteouts and all');
});

t.test('a killed server: dead, and startable again elsewhere', async (t) => {
  const { out } = await program(['pgrep', '-f', '--', `--serve .*${base}`]);
  for (const pid of out.toString().trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
  t.equal(await status(), 'dead');
  const elsewhere = join(base, 'elsewhere');
  mkdirSync(elsewhere);
  t.match(await run(['start', 'c', elsewhere]), { code: 0, out: Buffer.from(`${elsewhere}\n`) });
  t.equal(readFileSync(join(elsewhere, 'motd'), 'utf8'), 'new\n');
  t.notOk(existsSync(join(elsewhere, 'docs')));
});

t.test('stop: refused while in use, -f takes it away', async (t) => {
  const { id } = ((await json('ps')) as { id: string }[])[0] as { id: string };
  const here = process.cwd();
  process.chdir(join(base, 'elsewhere'));
  t.match(await run(['stop', 'c']), { code: 1, err: /elsewhere: in use; -f takes it away all the same/ });
  t.match(await run(['stop', '-f', 'c']), { code: 0 });
  process.chdir(here);
  t.same(mountsOf(id), []);
  t.equal(await status(), 'stopped');
  t.match(await run(['stop', 'c']), { code: 0 }, 'a stopped one stays so');
});

t.test('a mount that is no container: its base is found by its lowers, or named', async (t) => {
  const [upper, work, at] = ['u', 'w', 'm'].map((name) => join(base, name)) as [string, string, string];
  for (const path of [upper, work, at]) mkdirSync(path);
  const escaped = (await treeOf('web:1')).replace(/[\\:,]/g, '\\$&');
  const options = `lowerdir=${escaped},upperdir=${upper},workdir=${work}`;
  t.match(await run(['mount', '-o', options, at]), { code: 0, err: '' });
  writeFileSync(join(at, 'more'), 'x');
  t.match(await run(['commit', at, 'web:4']), { code: 0 });
  t.match(await json('history', 'web:4'), { length: 2 });
  t.match(await run(['umount', at]), { code: 0 });
  mkdirSync(join(base, 'other'));
  t.match(await run(['mount', '-o', `lowerdir=${base}/other,upperdir=${upper},workdir=${work}`, at]), { code: 0 });
  t.match(await run(['commit', at, 'web:5']), {
    code: 1,
    err: /no image of this store: name one with --base, or commit with --squash/,
  });
  t.match(await run(['commit', '--squash', at, 'web:5']), { code: 0 });
  t.match(await json('history', 'web:5'), { length: 1 });
  t.match(await run(['umount', at]), { code: 0 });
});

t.test('rm -f: of a mounted one', async (t) => {
  t.match(await run(['start', 'c']), { code: 0 });
  t.match(await run(['rm', '-f', 'c']), { code: 0 });
  t.same(readdirSync(join(root, 'containers')), []);
});
