import t from 'tap';
import { judge, tidy } from '../../scripts/tidy.js';

const opening = '// Owns nothing.\n\n';

/** The messages for a few files that never touch a disk. */
function messages(files: Record<string, string>): string[] {
  return judge(Object.entries(files).map(([file, text]) => ({ file, text }))).map(({ message }) => message);
}

function body(lines: number): string {
  return Array.from({ length: lines }, (_, index) => `  work(${index});`).join('\n');
}

t.test('this repository is tidy', async (t) => {
  const findings = tidy(process.cwd());
  t.same(
    findings.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    [],
  );
});

t.test('an import goes down', async (t) => {
  t.same(messages({ 'lib/ops/a.ts': `${opening}import type { A } from '../wire/abi.js';\n` }), []);
  t.match(messages({ 'lib/sys/a.ts': `${opening}import type { A } from '../union/x.js';\n` })[0], /may not use union/);
  t.match(messages({ 'lib/sys/a.ts': `${opening}export * from '../wire/x.js';\n` })[0], /sideways/);
  t.match(messages({ 'lib/union/a.ts': `${opening}import '../wire/x.js';\n` })[0], /may not use lib\/wire/);
  t.match(messages({ 'lib/union/a.ts': `${opening}await import('../ops/x.js');\n` })[0], /may not use ops/);
  t.match(messages({ 'lib/union/a.ts': `${opening}type A = import('../ops/x.js').A;\n` })[0], /may not use ops/);
  t.match(messages({ 'lib/cellar/a.ts': opening })[0], /no floor/);
  t.match(messages({ 'lib/cli/a.ts': `${opening}import '../../test/support/x.js';\n` })[0], /outside lib/);
});

t.test('nodes see the small types of sys only', async (t) => {
  t.same(messages({ 'lib/nodes/a.ts': `${opening}import type { Stat } from '../sys/stat.js';\n` }), []);
  t.match(messages({ 'lib/nodes/a.ts': `${opening}import { s } from '../sys/syscalls.js';\n` })[0], /may not use/);
});

t.test('one file loads the addon', async (t) => {
  const text = `${opening}import load from 'node-gyp-build';\n`;
  t.same(messages({ 'lib/sys/binding.ts': text }), []);
  t.match(messages({ 'lib/sys/other.ts': text })[0], /only lib\/sys\/binding.ts/);
});

t.test('circles', async (t) => {
  const found = messages({
    'lib/union/a.ts': `${opening}import type { B } from './b.js';\n`,
    'lib/union/b.ts': `${opening}import './a.js';\n`,
  });
  t.match(found[0], /circle: lib\/union\/a.ts -> lib\/union\/b.ts -> lib\/union\/a.ts/);
});

t.test('sizes', async (t) => {
  t.match(messages({ 'lib/union/a.ts': `${opening}${'work();\n'.repeat(400)}` })[0], /has 402 lines/);
  t.same(messages({ 'lib/union/a.ts': `${opening}export function f() {\n${body(68)}\n}\n` }), []);
  t.match(messages({ 'lib/union/a.ts': `${opening}export function f() {\n${body(69)}\n}\n` })[0], /f has 71 lines/);
  t.match(messages({ 'lib/union/a.ts': `${opening}const f = () => {\n${body(69)}\n};\n` })[0], /f has 71 lines/);
  t.match(messages({ 'lib/union/a.ts': `${opening}class A {\n  m() {\n${body(69)}\n  }\n}\n` })[0], /m has 71 lines/);
});

t.test('a table may be long', async (t) => {
  const table = `const a = {\n${Array.from({ length: 500 }, (_, n) => `  a${n}: ${n},`).join('\n')}\n};\n`;
  t.same(messages({ 'lib/union/a.ts': `${opening}${table}` }), []);
});

t.test('nesting', async (t) => {
  const deep = (levels: number): string => `${'if (a) { '.repeat(levels)}work();${' }'.repeat(levels)}`;
  t.same(messages({ 'lib/union/a.ts': `${opening}function f() { ${deep(3)} }\n` }), []);
  t.match(messages({ 'lib/union/a.ts': `${opening}function f() { ${deep(4)} }\n` })[0], /f is nested 4 deep/);
  const ladder = 'if (a) x(); else if (b) y(); else if (c) z(); else if (d) w(); else if (e) v();';
  t.same(messages({ 'lib/union/a.ts': `${opening}function f() { ${ladder} }\n` }), []);
  const loops = 'for (const a of b) { while (c) { try { switch (d) { default: } } finally { e(); } } }';
  t.match(messages({ 'lib/union/a.ts': `${opening}function f() { ${loops} }\n` })[0], /nested 4 deep/);
});

t.test('a module says what it is', async (t) => {
  t.match(messages({ 'lib/union/a.ts': 'export const a = 1;\n' })[0], /opens with 0 comment lines/);
  t.match(messages({ 'lib/union/a.ts': `${'// x\n'.repeat(7)}` })[0], /opens with [78] comment lines/);
  t.same(messages({ 'lib/cli/main.ts': `#!/usr/bin/env node\n${opening}` }), []);
});

t.test('no checker is silenced', async (t) => {
  for (const words of ['@ts-', 'biome-'].map((half) => `// ${half}ignore`)) {
    t.match(messages({ 'test/a.test.ts': `${words} because\n` })[0], /silences/, words);
  }
});

t.test('native code', async (t) => {
  t.same(messages({ 'native/a.cc': `int f() {\n${body(60)}\n}\nstruct A {\n${body(100)}\n};\n` }), []);
  t.match(messages({ 'native/a.cc': `int f() {\n${body(70)}\n}\n` })[0], /function has 72 lines/);
  t.match(messages({ 'native/a.h': '// the upper one\n' })[0], /knows the word upper/);
  t.match(messages({ 'native/a.h': 'int whiteout(int fd);\n' })[0], /knows the word whiteout/);
});
