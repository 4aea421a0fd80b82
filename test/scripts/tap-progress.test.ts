import t from 'tap';
import { Progress } from '../../scripts/tap-progress.js';

function follow(text: string): { shown: string[]; code: number } {
  const shown: string[] = [];
  const progress = new Progress((line) => shown.push(line));
  for (const line of text.split('\n')) progress.line(line);
  return { shown, code: progress.end() };
}

const passing = `TAP version 14
# Subtest: dist/test/b.test.js
    ok 1 - ok # time=1.7ms
    ok 2 - sk # SKIP not root
    1..2
ok 1 - dist/test/b.test.js # time=6.5ms

1..1
# { total: 2, pass: 1, skip: 1 }
`;

const failing = `TAP version 14
# Subtest: dist/test/a.test.js
    # Subtest: one
        not ok 1 - ones are twos
          ---
          diff: |
            -2
            +1
          ...
        1..1
    not ok 1 - one # time=20ms
      ---
      source: parent
      ...
    ok 2 - later # TODO known failure
    1..2
not ok 1 - dist/test/a.test.js # time=41ms
  ---
  exitCode: 1
  ...

# { total: 3, pass: 1, fail: 1, todo: 1 }
`;

t.test('the last line is the totals', async (t) => {
  const { shown, code } = follow(passing);
  t.equal(shown.at(-1), '1 passed, 0 failed, 1 skipped');
  t.ok(shown.includes('ok     dist/test/b.test.js (6.5ms)'));
  t.ok(shown.includes('skipped: dist/test/b.test.js: sk (not root)'));
  t.equal(code, 0);
});

t.test('a failing assertion is shown in full, its parents by name', async (t) => {
  const { shown, code } = follow(failing);
  const text = shown.join('\n');
  t.match(text, /not ok 1 - ones are twos/);
  t.match(text, /\+1/);
  t.notMatch(text, /source: parent/);
  t.match(text, /in: one/);
  t.match(text, /known failure: dist\/test\/a.test.js: later/);
  t.equal(shown.at(-1), '1 passed, 1 failed, 1 skipped');
  t.equal(code, 1);
});

t.test('a file that fails without a failed assertion counts as one failure', async (t) => {
  const { shown, code } = follow(
    'not ok 1 - dist/test/c.test.js\n  ---\n  signal: SIGSEGV\n  ...\n# { total: 5, pass: 5 }',
  );
  t.ok(shown.some((line) => line.includes('SIGSEGV')));
  t.equal(shown.at(-1), '5 passed, 1 failed, 0 skipped');
  t.equal(code, 1);
});

t.test('no totals and no tests are failures', async (t) => {
  t.equal(follow('TAP version 14\nok 1 - x').code, 1);
  t.equal(follow('# { total: 0 }').code, 1);
  t.equal(follow('# { total: 2, skip: 2 }').code, 1);
});
