// The command from one file: a tree that has that file and no modules mounts; bytecode of another program is not
// believed; and without the file, or with an older one, the modules run.

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { command } from '../support/command.js';
import { checkout, freshDirectory } from '../support/paths.js';
import { forceUnmount } from '../support/server.js';

const base = freshDirectory('start');
const cli = join(base, 'dist', 'lib', 'cli');
const program = join(cli, 'program.cjs');
const notes = join(base, 'dist', '.tsbuildinfo');
const start = (...argv: string[]): string =>
  execFileSync(process.execPath, [join(cli, 'start.cjs'), ...argv]).toString();

mkdirSync(cli, { recursive: true });
mkdirSync(join(base, 'lib', 'cli'), { recursive: true });
for (const name of ['build', 'node_modules']) symlinkSync(join(checkout, name), join(base, name));
for (const file of ['package.json', 'lib/cli/launch.sh', 'dist/lib/cli/start.cjs']) {
  copyFileSync(join(checkout, file), join(base, file));
}
execFileSync(process.execPath, [join(checkout, 'dist', 'scripts', 'bundle-program.js'), cli]);
const cache = join(cli, readdirSync(cli).find((name) => name.endsWith('.cache')) as string);
const made = [program, cache].map((file) => ({ file, content: readFileSync(file) }));

t.beforeEach(() => {
  for (const { file, content } of made) writeFileSync(file, content);
});
t.teardown(() => rmSync(base, { recursive: true, force: true }));

t.test('mounts without a module', async (t) => {
  for (const directory of ['l', 'm']) mkdirSync(join(base, directory));
  writeFileSync(join(base, 'l', 'f'), 'lower\n');
  const mountpoint = join(base, 'm');
  t.teardown(() => forceUnmount(mountpoint));
  const mounted = await command([
    join(base, 'lib', 'cli', 'launch.sh'),
    '-o',
    `lowerdir=${join(base, 'l')}`,
    mountpoint,
  ]);
  t.match(mounted, { code: 0, stderr: '' });
  t.equal(readFileSync(join(mountpoint, 'f'), 'utf8'), 'lower\n');
  t.equal((await command(['umount', mountpoint])).code, 0);
});

t.test('V8 takes the bytecode', (t) => {
  const script = `
    const { readFileSync } = require('node:fs');
    const [source, cache] = process.argv.slice(1).map((file) => readFileSync(file));
    const script = new (require('node:vm').Script)(source.toString('latin1'), { cachedData: cache.subarray(68) });
    process.stdout.write(String(script.cachedDataRejected));`;
  t.equal(execFileSync(process.execPath, ['-e', script, program, cache]).toString(), 'false');
  t.end();
});

t.test('bytecode of another program as long as this one is not run', (t) => {
  const text = readFileSync(program, 'latin1');
  const mark = `// ${'0'.repeat(64)}\n`;
  writeFileSync(program, mark + text.slice(mark.length).replace('usage: stratafs COMMAND', 'usage: stratafs ANOTHER'));
  t.match(start('--help'), /^usage: stratafs ANOTHER/);
  t.end();
});

t.test('bytecode that V8 refuses, or none', (t) => {
  writeFileSync(cache, `${readFileSync(program, 'latin1').slice(0, 68)}not bytecode`);
  t.match(start('--help'), /^usage: stratafs COMMAND/);
  rmSync(cache);
  t.match(start('--help'), /^usage: stratafs COMMAND/);
  t.end();
});

t.test('the modules run where there is no such file, or an older one', (t) => {
  writeFileSync(join(cli, 'main.js'), "process.stdout.write('modules');\n");
  writeFileSync(notes, '');
  utimesSync(notes, 1, 1);
  t.match(start('--help'), /^usage: stratafs COMMAND/);
  utimesSync(program, 0, 0);
  t.equal(start('--help'), 'modules');
  rmSync(program);
  t.equal(start('--help'), 'modules');
  t.end();
});

t.test('the addon is found where the package ships it', (t) => {
  const [built, shipped] = [join(base, 'build'), join(base, 'prebuilds', `linux-${process.arch}`)];
  rmSync(built);
  t.throws(() => execFileSync(process.execPath, [join(cli, 'start.cjs'), '--version'], { stdio: 'pipe' }), {
    message: /No native build was found/,
  });
  mkdirSync(shipped, { recursive: true });
  copyFileSync(join(checkout, 'build', 'Release', 'stratafs.node'), join(shipped, 'stratafs.node'));
  t.match(start('--version'), /^stratafs \d/);
  symlinkSync(join(checkout, 'build'), built);
  t.end();
});
