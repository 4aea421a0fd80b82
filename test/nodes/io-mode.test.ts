// io mode: the whole truth table, each row checked against the rules and not against the code.

import t from 'tap';
import { type IoMode, ioMode, type OpenSituation } from '../../lib/nodes/io-mode.js';

const booleans = [false, true] as const;
const lives = ['none', 'cached', 'passthrough'] as const;
const policies = ['auto', 'all', 'upper', 'off'] as const;

function* situations(): Generator<OpenSituation & { code: boolean }> {
  for (const live of lives)
    for (const policy of policies)
      for (let bits = 0; bits < 32; bits += 1) {
        const bit = (at: number): boolean => booleans[(bits >> at) & 1] as boolean;
        const code = bit(4);
        const base = { live, policy, liveOnLower: bit(0), onUpper: bit(1), wantsWrite: bit(2), readOnlyMount: bit(3) };
        yield { ...base, code, isCode: () => code };
      }
}

/** kernel-facts.md, io-mode rule, in words of its own. */
function rule(open: OpenSituation & { code: boolean }): IoMode {
  switch (open.live) {
    case 'cached':
      return 'cached';
    case 'passthrough':
      return open.liveOnLower && open.wantsWrite ? 'stale' : 'passthrough';
    default: {
      const lowerGoes = open.policy === 'all' || (open.policy === 'auto' && (open.readOnlyMount || open.code));
      const goes = open.policy !== 'off' && (open.onUpper || lowerGoes);
      return goes ? 'passthrough' : 'cached';
    }
  }
}

t.test('every row', async (t) => {
  let rows = 0;
  for (const open of situations()) {
    rows += 1;
    if (ioMode(open) !== rule(open)) t.fail(`${JSON.stringify(open)}: ${ioMode(open)}, the rule says ${rule(open)}`);
  }
  t.equal(rows, 3 * 4 * 32);
});

const lowerOpen: OpenSituation = {
  live: 'none',
  liveOnLower: false,
  onUpper: false,
  wantsWrite: false,
  readOnlyMount: false,
  isCode: () => false,
  policy: 'auto',
};

t.test('lower passthrough open + write → stale', async (t) => {
  const live = { ...lowerOpen, live: 'passthrough', liveOnLower: true } as const;
  t.equal(ioMode({ ...live, wantsWrite: true }), 'stale');
  t.equal(ioMode({ ...live, wantsWrite: false }), 'passthrough');
  t.equal(ioMode({ ...live, liveOnLower: false, wantsWrite: true }), 'passthrough');
});

t.test('the modes of one node never mix', async (t) => {
  for (const open of situations()) {
    const mode = ioMode(open);
    if (open.live === 'cached') t.equal(mode, 'cached');
    if (open.live === 'passthrough') t.not(mode, 'cached');
  }
});

t.test('a file is read to see whether it is code only when that matters', async (t) => {
  const asked = (open: Partial<OpenSituation>): boolean => {
    let was = false;
    ioMode({ ...lowerOpen, ...open, isCode: () => (was = true) });
    return was;
  };
  t.ok(asked({}));
  for (const open of [{ onUpper: true }, { policy: 'off' }, { policy: 'all' }, { policy: 'upper' }] as const) {
    t.notOk(asked(open));
  }
  t.notOk(asked({ readOnlyMount: true }));
  t.notOk(asked({ live: 'cached' }));
});
