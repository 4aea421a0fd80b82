// `stratafs diff`: its forms, a running mount's layers, and its complaints.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { freshDirectory, mainScript } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { dir, file, type TreeSpec, whiteout } from '../support/tree.js';

const base = freshDirectory('diff');
t.teardown(() => rmSync(base, { recursive: true, force: true }));

interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function stratafs(...words: string[]): Answer {
  const { status, stdout, stderr } = spawnSync(process.execPath, [mainScript, ...words], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: status, stdout, stderr };
}

function planted(name: string, spec: TreeSpec): string {
  const path = join(base, name);
  mkdirSync(path);
  plant(path, spec);
  return path;
}

const lowers = [planted('l:1', { f: file('12345') }), planted('l2', { gone: file('123'), d: dir({ x: file('') }) })];
const given = lowers.map((path) => path.replace(':', '\\:')).join(':');
const upper = planted('upper', {
  f: file('1234567', { mode: 0o600 }),
  gone: whiteout(),
  d: dir({ 'new\n': file('1') }),
  'n\xff': file(''),
});

t.test('lines', async (t) => {
  const { code, stdout, stderr } = stratafs('diff', upper, '--lower', given);
  t.equal(stderr, '');
  t.equal(stdout, 'C /d\nA /d/new\\n\nC /f\nD /gone\nA /n\\377\n');
  t.equal(code, 0);
});

t.test('names alone', async (t) => {
  const { stdout } = stratafs('diff', '--name-only', `--lower=${given}`, upper);
  t.equal(stdout, '/d\n/d/new\\n\n/f\n/gone\n/n\\377\n');
});

t.test('sizes and a sum', async (t) => {
  const { stdout } = stratafs(
    'diff',
    '--stat',
    '--lower',
    given.replace(/:[^:]*$/, ''),
    '--lower',
    lowers[1] ?? '',
    upper,
  );
  t.equal(
    stdout,
    'C /d\nA /d/new\\n  (+1 bytes)\nC /f  (+2 bytes, content, mode)\nD /gone  (-3 bytes)\nA /n\\377\n' +
      '2 added, 2 changed, 1 deleted, +0 bytes\n',
  );
});

t.test('for programs', async (t) => {
  const { stdout } = stratafs('diff', '--json', '--lower', given, upper);
  const rows = JSON.parse(stdout) as Record<string, unknown>[];
  t.same(rows[2], { kind: 'C', path: '/f', type: 'file', what: ['content', 'mode'], size: 7, before: 5 });
  t.equal(Buffer.from(String(rows[4]?.path_base64), 'base64').toString('latin1'), '/n\xff');
  t.same(JSON.parse(stratafs('diff', '--json', planted('empty', {})).stdout), []);
});

t.test('complaints', async (t) => {
  const complaint = (...words: string[]): string => {
    const { code, stdout, stderr } = stratafs('diff', ...words);
    t.equal(code, 1);
    t.equal(stdout, '');
    return stderr;
  };
  const see = '; see stratafs diff --help\n';
  t.equal(complaint(), `stratafs: diff: one UPPER, MOUNTPOINT or CONTAINER is needed${see}`);
  t.equal(complaint(upper, upper), `stratafs: diff: one UPPER, MOUNTPOINT or CONTAINER is needed${see}`);
  t.equal(complaint(upper, '--lower'), `stratafs: diff: --lower needs a directory${see}`);
  t.equal(complaint(upper, '--colour'), `stratafs: diff: unknown option '--colour'${see}`);
  t.equal(complaint('/etc/passwd'), 'stratafs: diff: /etc/passwd: not a directory\n');
  t.match(complaint('--root', base, 'none'), /^stratafs: diff: none is neither a directory nor a container.*ps -a/);
  t.equal(complaint(`${base}/none`), `stratafs: diff: ${base}/none: no such file or directory\n`);
});

t.test('a path that cannot be told', async (t) => {
  const bad = planted('bad', { d: dir({}, { xattrs: { 'trusted.overlay.redirect': 'a/b' } }), good: file('') });
  const { code, stdout, stderr } = stratafs('diff', bad, '--lower', lowers[1] ?? '');
  t.equal(code, 1);
  t.equal(stdout, 'A /good\n');
  t.match(stderr, /^stratafs: diff: \/d: EIO: /);
});

t.test('a running mount', async (t) => {
  const [up, work, at] = ['up', 'work', 'at'].map((name) => planted(name, {})) as [string, string, string];
  const list = `lowerdir=${given},upperdir=${up},workdir=${work}`;
  t.equal(stratafs('mount', '-o', list, at).code, 0);
  try {
    writeFileSync(join(at, 'made'), '');
    rmSync(join(at, 'gone'));
    const { stdout, stderr } = stratafs('diff', at);
    t.equal(stderr, '');
    t.equal(stdout, 'D /gone\nA /made\n');
    t.match(stratafs('diff', join(at, 'd')).stdout, 'A /x\n', 'a directory of a mount is a plain one');
  } finally {
    t.equal(stratafs('umount', at).code, 0);
  }
});
