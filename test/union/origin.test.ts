// Origin: kernel overlayfs's struct ovl_fb, there and back, and what it leads to.

import t from 'tap';
import { Stat } from '../../lib/sys/stat.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { decodeOrigin, encodeOrigin, layerUuid, originOf, readOrigin, statOrigin } from '../../lib/union/origin.js';
import { file } from '../support/tree.js';
import { unionTest } from '../support/union-in-temp.js';

const uuid = Uint8Array.from({ length: 16 }, (_, at) => at + 1);
const handle = { type: 0x81, bytes: Uint8Array.from([9, 8, 7, 6]) };

t.test('the bytes', async (t) => {
  const bytes = encodeOrigin(handle, uuid);
  t.same([...bytes.subarray(0, 5)], [0, 0xfb, 25, 0, 0x81], 'version, magic, length, flags, type');
  t.same([...bytes.subarray(5, 21)], [...uuid]);
  t.same([...bytes.subarray(21)], [9, 8, 7, 6]);
});

t.test('there and back', async (t) => {
  t.same(decodeOrigin(encodeOrigin(handle, uuid)), { handle, uuid });
});

t.test('what is not ours is null', async (t) => {
  const good = encodeOrigin(handle, uuid);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  t.equal(decodeOrigin(changed(0, 1)), null, 'version');
  t.equal(decodeOrigin(changed(1, 0)), null, 'magic');
  t.equal(decodeOrigin(changed(2, 24)), null, 'length');
  t.equal(decodeOrigin(changed(3, 1)), null, 'big endian');
  t.not(decodeOrigin(changed(3, 2)), null, 'other flags say nothing');
  for (const length of [0, 1, 4, 20, 21]) t.equal(decodeOrigin(good.subarray(0, length)), null, `${length} bytes`);
});

const layout = { lowers: [{ f: file('f'), g: file('g') }] };

unionTest(t, 'a copy leads back to its lower file', layout, (t, w) => {
  const node = w.file('f');
  const lower = new Stat();
  w.sys.statAt(w.u.dirFds.fd(node.dir), 'f', lower);
  copyUp(w.u, node, 'data');
  const origin = readOrigin(w.u, w.u.dirFds.fd(node.dir), node.base);
  t.type(origin, Uint8Array);
  const found = new Stat();
  t.ok(statOrigin(w.u, origin as Uint8Array, found));
  t.equal(found.identity(), lower.identity());
});

unionTest(t, 'an origin that leads nowhere', layout, (t, w) => {
  const lower = w.u.layers[1];
  if (lower === undefined) throw new Error('no lower');
  const real = originOf(w.sys, lower, lower.fd, 'g') as Uint8Array;
  t.ok(statOrigin(w.u, real, w.stat));
  const elsewhere = real.slice();
  elsewhere.fill(0xee, 5, 21);
  t.notOk(statOrigin(w.u, elsewhere, w.stat), 'another filesystem');
  const gone = real.slice();
  gone.fill(0xff, 21);
  t.notOk(statOrigin(w.u, gone, w.stat), 'no such file');
  t.notOk(statOrigin(w.u, new Uint8Array(3), w.stat), 'no origin at all');
  t.equal(readOrigin(w.u, lower.fd, 'g'), null, 'none is stored');
  t.equal(layerUuid(w.sys, lower).length, 16);
});
