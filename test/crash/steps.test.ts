// The driver is killed at every step of copy-ups, removals, and what is made over whiteouts.

import t from 'tap';
import { type Act, type Case, killAtEachStep } from '../support/killed-steps.js';
import { O } from '../support/linux.js';
import { device, dir, fifo, file, hardlink, symlink, whiteout } from '../support/tree.js';

const write: Act = async (a, at) => {
  const fd = await a.open(`${at}/f`, O.WRONLY);
  return fd < 0 ? fd : a.close(fd);
};
const rich = { mode: 0o4751, uid: 7, gid: 8, xattrs: { 'user.a': 'one', 'user.b': 'two' } };

const cases: Readonly<Record<string, Case>> = {
  'copy-up of a small file': { lower: { f: file('small', rich) }, acts: [write] },
  'copy-up of a large file': { lower: { f: file('large'.repeat(500_000), rich) }, acts: [write] },
  'copy-up for a chmod': { lower: { f: file('small', rich) }, acts: [(a, at) => a.chmod(`${at}/f`, 0o600)] },
  'copy-up of a chain of directories': {
    lower: { a: dir({ b: dir({ f: file('deep', rich) }, { mode: 0o700 }) }, rich) },
    acts: [(a, at) => a.chmod(`${at}/a/b/f`, 0o600)],
  },
  'copy-up of a symlink': {
    lower: { l: symlink('there', { uid: 7 }) },
    acts: [(a, at) => a.rename(`${at}/l`, `${at}/k`)],
  },
  'copy-up of a device': {
    lower: { d: device(1, 3, { mode: 0o620, uid: 7 }) },
    acts: [(a, at) => a.chmod(`${at}/d`, 0o600)],
  },
  'copy-up of a fifo': { lower: { p: fifo({ mode: 0o620, uid: 7 }) }, acts: [(a, at) => a.chmod(`${at}/p`, 0o600)] },
  'copy-up of a hard link': {
    lower: { f: file('linked', rich), g: hardlink('f') },
    acts: [(a, at) => a.chmod(`${at}/f`, 0o600)],
    indexed: true,
  },
  'removing a file': { lower: { f: 'f', stays: 'stays' }, acts: [(a, at) => a.unlink(`${at}/f`)] },
  'removing a copied-up file': {
    lower: { f: 'old', stays: 's' },
    upper: { f: 'new' },
    acts: [(a, at) => a.unlink(`${at}/f`)],
  },
  'removing a hard link': {
    lower: { f: 'f', g: hardlink('f'), h: hardlink('f') },
    acts: [(a, at) => a.unlink(`${at}/f`), (a, at) => a.unlink(`${at}/h`)],
    indexed: true,
  },
  'removing a merged directory of whiteouts': {
    lower: { d: dir({ a: 'a', b: 'b' }) },
    upper: { d: dir({ a: whiteout(), b: whiteout() }) },
    acts: [(a, at) => a.rmdir(`${at}/d`)],
  },
  'a directory removed and made again': {
    lower: { d: dir({}) },
    deeper: { d: dir({}, { mode: 0o700 }) },
    acts: [(a, at) => a.rmdir(`${at}/d`), (a, at) => a.mkdir(`${at}/d`, 0o750)],
    fresh: ['d'],
  },
  'a file over a whiteout': {
    lower: { f: 'old' },
    upper: { f: whiteout() },
    acts: [(a, at) => a.mknod(`${at}/f`, 0o100640)],
    fresh: ['f'],
  },
  'a directory over a whiteout': {
    lower: { d: dir({ hidden: 'hidden' }) },
    upper: { d: whiteout() },
    acts: [(a, at) => a.mkdir(`${at}/d`, 0o750)],
    fresh: ['d'],
  },
  'a symlink over a whiteout': {
    lower: { l: 'old' },
    upper: { l: whiteout() },
    acts: [(a, at) => a.symlink('there', `${at}/l`)],
    fresh: ['l'],
  },
  'a new file in a lower directory': {
    lower: { d: dir({ old: 'old' }) },
    acts: [(a, at) => a.mknod(`${at}/d/new`, 0o100640)],
    fresh: ['d/new'],
  },
};

await killAtEachStep(t, cases);
