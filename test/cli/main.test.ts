// The command as a process: exit codes, where text goes, one line for each error.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkout, mainScript } from '../support/paths.js';

function run(...argv: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [mainScript, ...argv], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

t.test('help and version', async (t) => {
  for (const word of ['--help', '-h', 'help'])
    t.match(run(word), { code: 0, out: /^usage: stratafs COMMAND/, err: '' });
  t.match(run('mount', '--help'), { code: 0, out: /^usage: stratafs mount[\s\S]*lowerdir=/, err: '' });
  for (const word of ['umount', 'diff', 'snapshotter', 'commit', 'completion']) {
    t.match(run(word, '--help'), { code: 0, out: `usage: stratafs ${word} `, err: '' });
  }
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
  for (const word of ['--version', '-V']) t.match(run(word), { code: 0, out: `stratafs ${version}\n` });
});

t.test('bench hands its words and its exit code over', async (t) => {
  t.match(run('bench', '--help'), { code: 0, out: /^usage: stratafs bench/, err: '' });
  t.match(run('bench', '--list'), { code: 0, out: /lookup +stat, cold/ });
  t.match(run('bench', '--zap'), { code: 1, out: '', err: /^bench: .*--zap/ });
});

t.test('a word that is no command is told, not taken for a mountpoint without layers', async (t) => {
  t.match(run('comit', 'c', 'x'), { code: 1, out: '', err: "stratafs: 'comit' is no command; see stratafs --help\n" });
  t.match(run('/tmp'), { code: 1, err: /no lowerdir/ });
});

t.test('nothing to do', async (t) => {
  t.match(run(), { code: 1, out: '', err: /^usage:/ });
});

t.test('a mistake is one line on stderr and exit 1', async (t) => {
  for (const argv of [['mount', '/tmp'], ['-o', 'lowerdir=/nonexistent', '/tmp'], ['umount'], ['-o', 'zap', '/tmp']]) {
    const { code, out, err } = run(...argv);
    t.equal(code, 1, argv.join(' '));
    t.equal(out, '');
    t.match(err, /^stratafs: [^\n]+\n$/);
  }
  t.match(run('-o', 'lowerdir=/nonexistent', '/tmp').err, 'lowerdir /nonexistent: no such file or directory');
});
