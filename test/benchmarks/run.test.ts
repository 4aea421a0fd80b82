// The harness from end to end, on the smallest run that mounts, measures and reports; and what it leaves behind.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseResults } from '../../benchmarks/report/document.js';
import { checkout, freshDirectory, mainScript } from '../support/paths.js';

t.setTimeout(300_000);
const base = freshDirectory('bench');
t.teardown(() => rmSync(base, { recursive: true }));
const harness = join(checkout, 'dist/benchmarks/run.js');
const [scratch, output] = [join(base, 'scratch'), join(base, 'output')];
mkdirSync(scratch);

function bench(...argv: string[]): { code: number | null; out: string; err: string } {
  const options = { encoding: 'utf8', timeout: 100_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [mainScript, 'bench', ...argv], options);
  return { code: status, out: stdout, err: stderr };
}

const one = ['--quick', '--case', '^(readdir, hot|rename, upper file|memory, idle mount)$', '--only', 'host,stratafs'];

t.test('one tiny run: figures, files, nothing left', async (t) => {
  const { code, out, err } = bench(...one, '--dir', scratch, '--output', output);
  t.equal(code, 0, err);
  const [json, ...rest] = readdirSync(output).sort((a, b) => b.localeCompare(a));
  t.match([json, ...rest], [/\.json$/, /\.html$/]);
  const results = parseResults(readFileSync(join(output, json as string), 'utf8'), 'results');
  t.same(
    results.rows.map(({ name }) => name),
    ['readdir, hot', 'rename, upper file', 'memory, idle mount'],
  );
  for (const { name, results: cells } of results.rows) {
    for (const [id, { median, error }] of Object.entries(cells)) t.ok((median ?? 0) > 0, `${name} on ${id}: ${error}`);
  }
  t.ok(results.rows[2]?.results.host === undefined, 'the host has no server');
  t.match(out, 'rename, upper file');
  t.match(err, /\[1\/5\] round 1\/1/, 'progress is shown');
  t.same(readdirSync(scratch), []);
});

t.test('a run from its file, against itself', async (t) => {
  const file = join(output, readdirSync(output).find((name) => name.endsWith('.json')) as string);
  const { code, out, err } = bench('--from', file, '--against', file);
  t.equal(code, 0, err);
  t.match(out, 'No range left the one it had before.');
});

t.test('an interrupted run leaves nothing', async (t) => {
  const child = spawn(process.execPath, [mainScript, 'bench', ...one, '--repeat', '500', '--dir', scratch], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    const before = said;
    said += data.toString();
    if (!before.includes('[3/') && said.includes('[3/')) child.kill('SIGINT');
  });
  t.equal(await ended, 130, said.slice(-300));
  t.same(readdirSync(scratch), []);
});

t.test('a killed run leaves nothing either', async (t) => {
  const child = spawn(process.execPath, [harness, ...one, '--repeat', '500', '--dir', scratch], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = new Promise<void>((resolve) => child.stderr.once('close', resolve));
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    const before = said;
    said += data.toString();
    if (!before.includes('[3/') && said.includes('[3/')) child.kill('SIGKILL');
  });
  // The process inside has stderr, too, and closes it last.
  await closed;
  t.match(said, 'killed: unmounting and removing');
  t.same(readdirSync(scratch), []);
});

t.test('a mistake is one line and exit 1', async (t) => {
  for (const argv of [['--zap'], ['--only', 'zap'], ['--case', 'zap'], ['--from', '/nonexistent']]) {
    const { code, err } = bench(...argv);
    t.equal(code, 1, argv.join(' '));
    t.match(err, /^bench: [^\n]+\n$/);
  }
});
