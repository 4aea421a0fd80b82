// argv of the harness: every option, every complaint.

import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { parseOptions, USAGE } from '../../benchmarks/options.js';

t.test('what stands when nothing is said', async (t) => {
  t.match(parseOptions([]), { quick: false, layers: 2, repeat: 3, families: [], only: [], list: false, help: false });
  t.equal(parseOptions([]).directory, undefined, 'the run makes a filesystem of its own');
  t.ok(parseOptions([]).cases.test('anything'));
  t.equal(parseOptions(['--quick']).repeat, 1);
  t.equal(parseOptions(['--quick', '--repeat', '5']).repeat, 5);
});

t.test('selection', async (t) => {
  const options = parseOptions([
    '--case',
    '^STAT',
    '--family',
    'lookup,data',
    '--only',
    'host,stratafs',
    '--layers',
    '50',
  ]);
  t.ok(options.cases.test('stat, cold'));
  t.notOk(options.cases.test('no stat'));
  t.match(options, { families: ['lookup', 'data'], only: ['host', 'stratafs'], layers: 50 });
  t.same(options.words.slice(0, 2), ['--case', '^STAT']);
});

t.test('what is recorded tells what was measured, not where results go', async (t) => {
  const argv = [
    '--quick',
    '--output',
    'here',
    '--case=stat',
    '--publish',
    'figures',
    '--against',
    'a',
    '--repeat',
    '2',
  ];
  t.same(parseOptions(argv).words, ['--quick', '--case', 'stat', '--repeat', '2']);
});

t.test('paths are made absolute', async (t) => {
  const options = parseOptions([
    '--with',
    'mine=bin/mine',
    '--dir',
    tmpdir(),
    '--against',
    'old.json',
    '--from',
    'f.json',
  ]);
  t.same([...options.extra], [['mine', resolve('bin/mine')]]);
  t.match(options, { directory: tmpdir(), against: resolve('old.json'), from: resolve('f.json') });
  t.equal(parseOptions(['--publish', join('a', 'b')]).publish, resolve('a/b'));
});

t.test('complaints name the option', async (t) => {
  for (const [argv, message] of [
    [['--layers', '0'], /^--layers wants a whole number from 1 to 500, not "0"$/],
    [['--layers', '501'], /^--layers/],
    [['--repeat', '1.5'], /^--repeat/],
    [['--case', '['], /^--case wants a regular expression/],
    [['--family', 'zap'], /^--family: no family "zap" \(there is lookup, /],
    [['--with', 'name'], /^--with wants NAME=PATH/],
    [['--with', '=path'], /^--with wants NAME=PATH/],
    [['--zap'], /--zap/],
    [['word'], /word/],
  ] as const) {
    t.throws(() => parseOptions(argv), { message }, argv.join(' '));
  }
});

t.test('the help names every option', async (t) => {
  const { words: _words, ...values } = parseOptions([]);
  const renamed: Readonly<Record<string, string>> = {
    cases: 'case',
    families: 'family',
    extra: 'with',
    directory: 'dir',
  };
  for (const name of Object.keys(values)) {
    if (name !== 'help') t.match(USAGE, `--${renamed[name] ?? name}`);
  }
  for (const line of USAGE.split('\n')) t.ok(line.length <= 120, line);
});
