// The ctime shown after a copy-up: the one from before, until the host's moves again.

import t from 'tap';
import { Stat, W } from '../../lib/sys/stat.js';
import { type Ctimed, keepCtime, showCtime } from '../../lib/union/kept-ctime.js';

function at(seconds: number, nanoseconds: number): Stat {
  const stat = new Stat();
  stat.words[W.ctime] = seconds;
  stat.words[W.ctimeNsec] = nanoseconds;
  return stat;
}

function shown(node: Ctimed, real: Stat): readonly [number, number] {
  showCtime(node, real);
  return [real.words[W.ctime] as number, real.words[W.ctimeNsec] as number];
}

t.test('the time from before the copy-up is shown while the host keeps the copy’s', (t) => {
  const node: Ctimed = { keptCtime: null };
  keepCtime(node, at(100, 7), at(200, 8));
  t.same(shown(node, at(200, 8)), [100, 7]);
  t.same(shown(node, at(200, 8)), [100, 7], 'again');
  t.end();
});

t.test('a later change on the host shows, and stays', (t) => {
  const node: Ctimed = { keptCtime: null };
  keepCtime(node, at(100, 7), at(200, 8));
  t.same(shown(node, at(200, 9)), [200, 9]);
  t.equal(node.keptCtime, null);
  t.same(shown(node, at(200, 8)), [200, 8], 'the old time is forgotten');
  t.end();
});

t.test('a node without a copy-up shows the host’s', (t) => {
  t.same(shown({ keptCtime: null }, at(5, 6)), [5, 6]);
  t.end();
});
