// The option list: every word, every escape, every complaint.

import t from 'tap';
import { MountError } from '../../lib/union/layers.js';
import {
  applyList,
  checkWhole,
  defaultOptions,
  flagWords,
  MAX_LOWERS,
  type MountOptions,
  refuseUnknown,
  splitEscaped,
} from '../../lib/union/options.js';

function parse(...lists: string[]): MountOptions {
  const options = defaultOptions();
  for (const list of lists) applyList(options, list, refuseUnknown);
  return options;
}

t.test('defaults', async (t) => {
  t.match(defaultOptions(), { readOnly: false, timeout: null, passthrough: 'auto', redirectDir: true, index: true });
  t.same(parse(''), defaultOptions());
  t.same(parse(',,'), defaultOptions());
});

t.test('paths', async (t) => {
  const options = parse('lowerdir=/a:/b,upperdir=/u,workdir=/w');
  t.same(options.lowers, ['/a', '/b']);
  t.match(options, { upper: '/u', workdir: '/w' });
});

t.test('escapes', async (t) => {
  t.same(splitEscaped('a:b', ':'), ['a', 'b']);
  t.same(splitEscaped('a\\:b:c', ':'), ['a:b', 'c']);
  t.same(splitEscaped('a\\\\:b', ':'), ['a\\', 'b']);
  t.same(splitEscaped('a\\b', ':'), ['a\\b'], 'a backslash before anything else is itself');
  t.same(splitEscaped('', ':'), ['']);
  t.same(parse('lowerdir=/a\\,b:/c\\:d').lowers, ['/a,b', '/c:d']);
  t.equal(parse('upperdir=/u\\,v').upper, '/u,v');
});

const worded: readonly (readonly [string, Partial<MountOptions>])[] = [
  ['ro', { readOnly: true }],
  ['ro,rw', { readOnly: false }],
  ['timeout=0.5', { timeout: 0.5 }],
  ['timeout=0', { timeout: 0 }],
  ['passthrough=off', { passthrough: 'off' }],
  ['passthrough=all', { passthrough: 'all' }],
  ['passthrough=upper', { passthrough: 'upper' }],
  ['redirect_dir=off', { redirectDir: false }],
  ['redirect_dir=0', { redirectDir: false }],
  ['index=off,index=on', { index: true }],
  ['volatile', { volatile: true }],
  ['fsync=0', { volatile: true }],
  ['fsync=1', { volatile: false }],
  ['allow_other', { allowOther: true }],
  ['default_permissions', {}],
  ['debug', { debug: true }],
  ['uidmapping=:0:1000:1', { uidMapping: [{ host: 0, shown: 1000, length: 1 }] }],
  ['gidmapping=0:1000:1', { gidMapping: [{ host: 0, shown: 1000, length: 1 }] }],
  ['squash_to_root', { squashToRoot: true }],
  ['squash_to_root=0', { squashToRoot: false }],
  ['squash_to_uid=33,squash_to_gid=0', { squashToUid: 33, squashToGid: 0 }],
  ['xino=off,xino=auto,xino=on,ino32_t', {}],
  ['timeout=1e9', { timeout: 1e9 }],
  ['timeout=.5', { timeout: 0.5 }],
  ['fsname=x=y', { fsname: 'x=y' }],
  ['noacl', { noacl: true }],
  ['static_nlink', { staticNlink: true }],
];
t.test('words', async (t) => {
  for (const [list, wanted] of worded) t.same(parse(list), { ...defaultOptions(), ...wanted }, list);
});

t.test('flag words are kept in order', async (t) => {
  t.same(parse(flagWords.join(',')).flags, [...flagWords]);
  t.same(parse('nodev', 'dev').flags, ['nodev', 'dev']);
});

const complaints: readonly (readonly [string, RegExp])[] = [
  ['nonsense', /unknown option 'nonsense'/],
  ['allow_root', /unknown option 'allow_root'/],
  ['ro=1', /unknown option 'ro=1'/],
  ['nodev=1', /unknown option 'nodev=1'/],
  ['lowerdir', /option lowerdir needs a value/],
  ['lowerdir=', /option lowerdir: an empty path/],
  ['lowerdir=/a:', /option lowerdir: an empty path in '\/a:'/],
  ['lowerdir=/a::', /option lowerdir: an empty path/],
  ['lowerdir=/a:::/b', /option lowerdir: an empty path/],
  ['lowerdir=::/b', /option lowerdir: an empty path/],
  ['lowerdir=:/b', /option lowerdir: an empty path/],
  ['lowerdir=/a::/b:/c', /option lowerdir: a layer after ':' below a data-only layer in '\/a::\/b:\/c'/],
  ['metacopy=some', /option metacopy: 'some' is neither on nor off/],
  [`lowerdir=${new Array(MAX_LOWERS + 1).fill('/a').join(':')}`, /option lowerdir: 501 layers, the most is 500/],
  ['upperdir=', /option upperdir: an empty path/],
  ['workdir=', /option workdir: an empty path/],
  ['timeout=', /option timeout: '' is not a number/],
  ['timeout=-1', /option timeout: '-1'/],
  ['timeout=soon', /option timeout: 'soon'/],
  ['timeout=1x', /option timeout: '1x'/],
  ['timeout=0x10', /option timeout: '0x10'/],
  ['xino=yes', /option xino: 'yes' is not one of off, auto, on/],
  ['uidmapping=0:1', /option uidmapping: invalid mapping specified: 0:1/],
  ['gidmapping=', /option gidmapping: invalid mapping specified/],
  ['squash_to_uid=-1', /option squash_to_uid: '-1' is not an id/],
  ['squash_to_gid=4294967295', /option squash_to_gid/],
  ['squash_to_root=maybe', /option squash_to_root/],
  ['passthrough=some', /option passthrough: 'some' is not one of auto, all, upper, off/],
  ['index=maybe', /option index: 'maybe' is neither on nor off/],
  ['redirect_dir=follow', /option redirect_dir: 'follow'/],
  ['fsync=yes', /option fsync: 'yes'/],
  ['fsname=', /option fsname: an empty path/],
];
t.test('complaints name the option', async (t) => {
  for (const [list, message] of complaints) {
    t.throws(() => parse(list), { name: 'MountError', message }, list.slice(0, 40));
    t.throws(() => parse(list), MountError);
  }
});

t.test('names that every object has are no options', async (t) => {
  for (const word of ['constructor', 'toString', '__proto__', 'constructor=1']) {
    t.throws(() => parse(word), { name: 'MountError' }, word);
  }
});

t.test('unknown words may be somebody else’s', async (t) => {
  const others: string[] = [];
  applyList(defaultOptions(), 'ro,x-mount.mkdir,zzz=1', (word) => void others.push(word));
  t.same(others, ['x-mount.mkdir', 'zzz=1']);
});

t.test('layers that hold only data', async (t) => {
  t.match(parse('lowerdir=/a:/b::/c::/d'), { lowers: ['/a', '/b'], dataLowers: ['/c', '/d'] });
  t.match(parse('lowerdir=/a\\:::/c\\:'), { lowers: ['/a:'], dataLowers: ['/c:'] });
});

t.test('the whole', async (t) => {
  t.doesNotThrow(() => checkWhole(parse('lowerdir=/a,metacopy=on')));
  t.throws(() => checkWhole(parse('lowerdir=/a,metacopy=on,redirect_dir=off')), { message: /needs redirect_dir=on/ });
  t.doesNotThrow(() => checkWhole(parse('lowerdir=/a')));
  t.doesNotThrow(() => checkWhole(parse('lowerdir=/a,upperdir=/u,workdir=/w')));
  t.throws(() => checkWhole(parse('')), { message: /no lowerdir/ });
  t.throws(() => checkWhole(parse('lowerdir=/a,upperdir=/u')), { message: /upperdir \/u needs a workdir/ });
  t.throws(() => checkWhole(parse('lowerdir=/a,workdir=/w')), { message: /workdir \/w without an upperdir/ });
});
