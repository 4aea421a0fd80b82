// The tables of cases and competitors: names that a report can use as keys, lines that can be drawn, a plan that is fair.

import t from 'tap';
import { type Case, families, scaleFor, sizeName } from '../../benchmarks/cases/case.js';
import { fioBandwidth } from '../../benchmarks/cases/fio.js';
import { allCases } from '../../benchmarks/cases/index.js';
import { chosenCases, inTurn } from '../../benchmarks/compare.js';
import { type Competitor, competitors } from '../../benchmarks/competitors.js';
import { parseOptions } from '../../benchmarks/options.js';
import { applies } from '../../benchmarks/sample.js';
import { plan } from '../../benchmarks/schedule.js';

const full = allCases(scaleFor(false, 2));

t.test('names are unique, in both sizes', async (t) => {
  for (const rows of [full, allCases(scaleFor(true, 2))])
    t.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
});

t.test('every family has rows', async (t) => {
  for (const family of families)
    t.ok(
      full.some((row) => row.family === family),
      family,
    );
});

t.test('the points of a line differ in their value and in nothing else', async (t) => {
  const lines = new Map<string, Case[]>();
  for (const row of full)
    if (row.axis !== undefined) lines.set(row.axis.line, [...(lines.get(row.axis.line) ?? []), row]);
  for (const [name, rows] of lines) {
    t.ok(rows.length > 1, name);
    t.equal(new Set(rows.map(({ axis }) => axis?.value)).size, rows.length, name);
    t.equal(new Set(rows.map(({ axis, unit, family }) => `${axis?.of} ${unit} ${family}`)).size, 1, name);
  }
});

t.test('a recipe with one key is one recipe', async (t) => {
  const layers = new Map<string, number>();
  for (const { recipe } of full) {
    t.equal(layers.get(recipe.key) ?? recipe.layers, recipe.layers, recipe.key);
    layers.set(recipe.key, recipe.layers);
  }
});

t.test('--quick takes its own rows, or smaller ones of those named', async (t) => {
  const quick = chosenCases(parseOptions(['--quick']));
  t.ok(quick.every((row) => row.quick === true));
  t.ok(quick.length <= 25, 'few enough for two minutes');
  for (const family of families)
    t.ok(
      quick.some((row) => row.family === family),
      family,
    );
  const named = chosenCases(parseOptions(['--quick', '--case', '^unmount$']));
  t.same(
    named.map(({ name }) => name),
    ['unmount'],
  );
  t.throws(() => chosenCases(parseOptions(['--case', 'zap'])), { message: /no case/ });
});

t.test('in turn, every family comes first once', async (t) => {
  const turned = inTurn(chosenCases(parseOptions(['--quick'])));
  t.equal(new Set(turned.slice(0, families.length).map(({ family }) => family)).size, families.length);
});

t.test('who takes part', async (t) => {
  const all = competitors('/nowhere', new Map([['mine', '/bin/mine']]));
  const ids = (row: Case): string[] => all.filter((one) => applies(one, row)).map(({ id }) => id);
  const named = (name: string): Case => full.find((row) => row.name === name) as Case;
  t.ok(ids(named('stat, cold')).includes('mergerfs'));
  t.notOk(ids(named('create')).includes('mergerfs'), 'it has no copy-up');
  t.notOk(ids(named('copy-up, 256 MiB')).includes('host'));
  t.same(ids(named('memory, idle mount')).slice(0, 2), ['fuse-overlayfs', 'unionfs']);
  t.same(ids(named('stat through redirects, cold')), ['overlayfs', 'stratafs', 'stratafs-nopt', 'stratafs-fn']);
  t.ok(ids(named('create')).includes('mine'));
});

t.test('a union without an upper names none, and has two lowers at least', async (t) => {
  const stack = {
    layersDirectory: '/layers',
    layers: ['a', 'b'],
    upper: '/its/upper',
    work: '/its/work',
    mountpoint: '/mnt',
    options: '',
  };
  for (const { id, mount } of competitors('/nowhere', new Map([['mine', '/bin/mine']]))) {
    if (mount === undefined) continue;
    const words = (writable: boolean): string => mount({ ...stack, writable }).args.join(' ');
    t.match(words(true), '/its/upper', id);
    t.notMatch(words(false), '/its/', id);
    t.match(words(false), /a\b.*b\b/, id);
  }
  const rows = allCases(scaleFor(false, 1)).filter(({ upperless }) => upperless === true);
  t.ok(rows.length > 0 && rows.every(({ recipe }) => recipe.layers >= 2));
});

t.test('the order: repetitions, cases, competitors in turn', async (t) => {
  const [a, b] = [full[0], { ...(full[1] as Case), once: true }] as [Case, Case];
  const two: Competitor[] = [
    { id: 'x', role: 'host', about: '' },
    { id: 'y', role: 'extra', about: '' },
  ];
  const order = plan([a, b], two, 2).map(
    ({ row, competitor, repetition }) => `${repetition}${row === a ? 'a' : 'b'}${competitor.id}`,
  );
  t.same(order, ['0ax', '0ay', '0by', '0bx', '1ay', '1ax']);
});

t.test('small things', async (t) => {
  t.same([4096, 64 << 10, 1 << 20, 256 << 20, 8 * 2 ** 30].map(sizeName), [
    '4 KiB',
    '64 KiB',
    '1 MiB',
    '256 MiB',
    '8 GiB',
  ]);
  t.equal(fioBandwidth('{"jobs":[{"read":{"bw_bytes":3},"write":{"bw_bytes":4}}]}'), 7);
  t.throws(() => fioBandwidth('{"jobs":[]}'), { message: /no job/ });
});
