// The table: a row for each opcode that this union answers, and for nothing that it must not claim.

import t from 'tap';
import { operations } from '../../lib/ops/table.js';
import { Opcode, opcodeName } from '../../lib/wire/abi.js';
import { talkTest } from '../support/fake-channel.js';
import { file } from '../support/tree.js';
import { build } from '../support/wire-builder.js';

/** Left to the kernel, or to the session. */
const unanswered = [
  'INIT',
  'DESTROY',
  'GETLK',
  'SETLK',
  'SETLKW',
  'ACCESS',
  'INTERRUPT',
  'BMAP',
  'POLL',
  'NOTIFY_REPLY',
];
const neverHere = ['SETUPMAPPING', 'REMOVEMAPPING', 'SYNCFS'];

t.test('every opcode is a row or has a reason', async (t) => {
  const without = Object.values(Opcode).filter((opcode) => !(opcode in operations));
  t.same(without.map(opcodeName).sort(), [...unanswered, ...neverHere].sort());
});

talkTest(t, 'forget', { lowers: [{ f: file(''), g: file('') }] }, async (t, talk) => {
  const id = async (name: string): Promise<bigint> =>
    (await talk.ask(Opcode.LOOKUP, build.names(name))).payload.entry().nodeid;
  const [f, g] = [await id('f'), await id('g')];
  await id('f');
  talk.send(Opcode.FORGET, build.forget(1), { nodeid: f });
  t.equal(talk.w.u.nodes.size, 3);
  const items = [
    { nodeid: f, nlookup: 1 },
    { nodeid: g, nlookup: 1 },
    { nodeid: 999, nlookup: 1 },
  ];
  talk.send(Opcode.BATCH_FORGET, build.batchForget(items));
  t.equal(talk.w.u.nodes.size, 1);
  t.same(talk.channel.take(), [], 'nobody waits for an answer');
});
