// The conversation: INIT before all else, versions, what a refusal costs, and its end.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { Talk } from '../support/fake-channel.js';
import { file } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';
import { build, request } from '../support/wire-builder.js';

const logged: string[] = [];
setSink((line) => void logged.push(line));

const layout = { lowers: [{ f: file('') }], options: { passthrough: 'auto' as const } };
const LOOKUP = 1;
const PASSTHROUGH = 1 << 5;

function talkOf(w: TempUnion, validity?: number): Talk {
  return new Talk(w, validity);
}

unionTest(t, 'hello', layout, async (t, w) => {
  const talk = talkOf(w);
  t.equal(talk.session.inFlight, 0);
  const { error, payload } = talk.greet();
  t.equal(error, 0);
  t.equal(payload.left, 64);
  t.same([payload.u32(), payload.u32()], [7, 45]);
  t.same(talk.ready, ['7.45']);
  t.ok(talk.session.negotiated?.passthrough);
  t.equal(talk.channel.absentFor, Number.POSITIVE_INFINITY, 'as long as any entry');
  t.equal((await talk.ask(LOOKUP, build.names('f'))).error, 0);
});

unionTest(t, 'what comes before INIT is refused', layout, (t, w) => {
  const talk = talkOf(w);
  talk.send(LOOKUP, build.names('f'));
  t.equal(talk.channel.take()[0]?.error, -errno.EIO);
  talk.channel.send(Buffer.alloc(4));
  t.same(talk.channel.take(), []);
  t.same(talk.ready, []);
  talk.greet();
  t.equal(talk.ready.length, 1, 'INIT still works');
});

unionTest(t, 'a newer kernel is asked to speak ours', layout, (t, w) => {
  const talk = talkOf(w);
  const { error, payload } = talk.greet(8, 0);
  t.equal(error, 0);
  t.equal(payload.u32(), 7);
  t.same(talk.ready, []);
  talk.greet();
  t.same(talk.ready, ['7.45']);
});

unionTest(t, 'a kernel that is too old', layout, (t, w) => {
  const talk = talkOf(w);
  t.equal(talk.greet(7, 8).error, -errno.EPROTO);
  t.same(talk.ready, []);
  t.match(logged.at(-1), /7\.8/);
});

unionTest(t, 'an older minor is taken as it is', layout, (t, w) => {
  const talk = talkOf(w);
  talk.greet(7, 31);
  t.same(talk.session.negotiated?.minor, 31);
  t.notOk(w.u.passthrough, 'which has no passthrough');
});

unionTest(t, 'a kernel without passthrough', layout, (t, w) => {
  const talk = talkOf(w);
  talk.greet(7, 45, 0x7fff_ffff, 0x7fff_ffff & ~PASSTHROUGH);
  t.notOk(w.u.passthrough);
  t.ok(
    logged.some((line) => line.includes('passthrough')),
    'is one warning',
  );
});

unionTest(t, 'a malformed INIT', layout, (t, w) => {
  const talk = talkOf(w);
  const cut = Buffer.from(request(26, build.init(7, 45, 0, 0, 0)).subarray(0, 44));
  cut.writeUInt32LE(44, 0);
  talk.channel.send(cut);
  t.equal(talk.channel.take()[0]?.error, -errno.EIO);
});

unionTest(t, 'validity goes into the answers', layout, async (t, w) => {
  const talk = talkOf(w, 1.5);
  talk.greet();
  const entry = (await talk.ask(LOOKUP, build.names('f'))).payload.entry();
  t.match(entry, { entryValid: 1n, entryValidNsec: 500_000_000, attrValid: 1n });
});

unionTest(t, 'the end is handed on', layout, (t, w) => {
  const talk = talkOf(w);
  talk.greet();
  talk.channel.end(errno.ENODEV);
  t.equal(talk.ended, errno.ENODEV);
});
