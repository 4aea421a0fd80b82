// Layers: opened by path once, refused when they overlap, and how their errors read.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import {
  closeLayers,
  explain,
  MountError,
  openLayers,
  openWritable,
  type Place,
  refuseOverlap,
  upperOf,
} from '../../lib/union/layers.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { file } from '../support/tree.js';
import { codeOf, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ a: file('1') }, { b: file('2') }] };

unionTest(t, 'upper first, then lowers from 1', layout, (t, w) => {
  const layers = openLayers(w.sys, w.lowers, w.upper);
  t.same(
    layers.map(({ index, writable, path }) => [index, writable, path]),
    [
      [0, true, w.upper],
      [1, false, w.lowers[0]],
      [2, false, w.lowers[1]],
    ],
  );
  t.equal(upperOf(layers), layers[0]);
  closeLayers(w.sys, layers);
  const lowersOnly = openLayers(w.sys, w.lowers, null);
  t.same(
    lowersOnly.map(({ index }) => index),
    [1, 2],
  );
  t.equal(
    codeOf(() => upperOf(lowersOnly)),
    errno.EROFS,
  );
  t.equal(
    codeOf(() => upperOf([])),
    errno.EROFS,
  );
  closeLayers(w.sys, lowersOnly);
});

unionTest(t, 'what cannot be opened is named, and nothing stays open', layout, (t, w) => {
  const missing = join(w.base, 'missing');
  const plain = join(w.base, 'plain');
  writeFileSync(plain, '');
  t.throws(() => openLayers(w.sys, [...w.lowers, missing], w.upper), {
    name: 'MountError',
    message: `lowerdir: ${missing}: no such file or directory`,
  });
  t.throws(() => openLayers(w.sys, [plain], null), { message: `lowerdir: ${plain}: not a directory` });
  t.throws(() => openWritable(w.sys, 'workdir', missing), {
    message: `workdir: ${missing}: no such file or directory`,
  });
});

unionTest(t, 'where mounts cannot be cloned a plain open does', layout, (t, w) => {
  for (const name of ['cloneMount', 'reopen']) {
    const faulty = new FaultySyscalls();
    faulty.refuse(name, errno.EPERM);
    const layers = openLayers(faulty.syscalls, w.lowers, null);
    t.ok(
      layers.every(({ fd }) => w.sys.statAt(fd, '', w.stat) === 0),
      name,
    );
    closeLayers(w.sys, layers);
  }
});

const lower = (path: string): Place => ({ option: 'lowerdir', path });
const upper = (path: string): Place => ({ option: 'upperdir', path });
const work = (path: string): Place => ({ option: 'workdir', path });

t.test('overlaps', async (t) => {
  const refused = (lowers: Place[], writable: Place[], message: string): void =>
    void t.throws(() => refuseOverlap(lowers, writable), new MountError(message), message);
  refused([lower('/a'), lower('/a')], [], 'lowerdir /a overlaps lowerdir /a');
  refused([lower('/a/b'), lower('/a')], [], 'lowerdir /a/b overlaps lowerdir /a');
  refused([lower('/'), lower('/a')], [], 'lowerdir /a overlaps lowerdir /');
  refused([lower('/a/b'), lower('/a-b'), lower('/a')], [], 'lowerdir /a/b overlaps lowerdir /a');
  refused([lower('/u/x')], [upper('/u'), work('/w')], 'lowerdir /u/x overlaps upperdir /u');
  refused([lower('/u')], [upper('/u/x'), work('/w')], 'lowerdir /u overlaps upperdir /u/x');
  refused([lower('/l')], [upper('/u'), work('/u/w')], 'workdir /u/w overlaps upperdir /u');
  refused([lower('/l')], [upper('/u'), work('/u')], 'workdir /u overlaps upperdir /u');
  refused([lower('/w/l')], [upper('/u'), work('/w')], 'lowerdir /w/l overlaps workdir /w');
});

t.test('names that only begin alike', async (t) => {
  t.doesNotThrow(() => refuseOverlap([lower('/a'), lower('/ab'), lower('/a-b')], [upper('/abc'), work('/abcd')]));
});

t.test('explain', async (t) => {
  t.equal(explain(errno.ENOENT), 'no such file or directory');
  t.equal(explain(errno.EPERM), 'operation not permitted');
  t.equal(explain(errno.ESTALE), 'ESTALE', 'others by their names');
});
