// The driver is killed at every step of renames, exchanges and hard links.

import t from 'tap';
import { type Case, killAtEachStep } from '../support/killed-steps.js';
import { dir, file, whiteout } from '../support/tree.js';

const EXCHANGE = 2;
const rich = { mode: 0o4751, uid: 7, gid: 8, xattrs: { 'user.a': 'one', 'user.b': 'two' } };
const tree = dir({ in: 'in', sub: dir({ deep: 'deep' }, { mode: 0o1770 }) }, { mode: 0o2775, gid: 9 });

const cases: Readonly<Record<string, Case>> = {
  'renaming a lower file': { lower: { f: file('f', rich) }, acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)] },
  'renaming a file over a file': {
    lower: { f: file('f', rich), g: file('g', { mode: 0o600 }) },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)],
  },
  'renaming a file over a whiteout': {
    lower: { f: file('f', rich), g: 'g' },
    upper: { g: whiteout() },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)],
  },
  'renaming a merged directory': {
    // Not empty: to list an empty directory that is marked impure is a change too, and would be counted with the rename's.
    lower: { d: tree, other: dir({ o: 'o' }) },
    deeper: { d: dir({ more: 'more' }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/other/e`)],
  },
  'renaming a new directory over a whiteout': {
    lower: { e: dir({ hidden: 'h' }) },
    upper: { d: dir({ mine: 'mine' }), e: whiteout() },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`)],
  },
  'renaming over an empty merged directory': {
    lower: { d: tree, e: dir({ a: 'a' }) },
    upper: { e: dir({ a: whiteout() }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`)],
  },
  'exchanging a file and a directory': {
    lower: { f: file('f', rich), d: tree },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/d`, EXCHANGE)],
  },
  'exchanging two merged directories': {
    lower: { d: tree, e: dir({ other: 'other' }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`, EXCHANGE)],
  },
  'a hard link to a lower file': {
    lower: { f: file('f', rich) },
    acts: [(a, at) => a.link(`${at}/f`, `${at}/g`)],
  },
  'a hard link over a whiteout': {
    lower: { f: file('f', rich), g: 'g' },
    upper: { g: whiteout() },
    acts: [(a, at) => a.link(`${at}/f`, `${at}/g`)],
  },
};

await killAtEachStep(t, cases);
