// argv: every form, every complaint; each complaint names the option and the path.

import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type MountRequest, parseMount } from '../../lib/cli/arguments.js';
import { freshDirectory } from '../support/paths.js';

const base = realpathSync(freshDirectory('arguments'));
const at = (name: string): string => join(base, name);
for (const name of ['a', 'b', 'u', 'w', 'm', 'a/inner', 'u/inner', 'w/inner', 'c:d', 'ünï']) mkdirSync(at(name));
writeFileSync(at('file'), '');
symlinkSync('a', at('link'));
symlinkSync('loop', at('loop'));
t.teardown(() => rmSync(base, { recursive: true }));

const list = `lowerdir=${at('a')}:${at('b')},upperdir=${at('u')},workdir=${at('w')}`;
const parse = (...argv: string[]): MountRequest => parseMount(argv);

t.test('the usual', async (t) => {
  const { options, mountpoint, foreground, channel } = parse('-o', list, at('m'));
  t.same(options.lowers, [at('a'), at('b')]);
  t.match(options, { upper: at('u'), workdir: at('w') });
  t.same([mountpoint, foreground, channel], [at('m'), false, 'native']);
});

t.test('forms', async (t) => {
  t.ok(parse('-f', '-o', list, at('m')).foreground);
  t.ok(parse(at('m'), '--foreground', `-o${list}`).foreground, 'in any order');
  t.match(parse('-d', '-o', list, at('m')), { foreground: true, options: { debug: true } });
  t.ok(parse('-o', `${list},debug`, at('m')).foreground, 'debug stays in the foreground');
  t.equal(parse('--channel=fuse-native', '-o', list, at('m')).channel, 'fuse-native');
  t.equal(parse('--channel', 'native', '-o', list, at('m')).channel, 'native');
  t.ok(parse('-o', list, '-o', 'ro', at('m')).options.readOnly, 'several lists');
  t.equal(parse('-o', list, 'stratafs', at('m')).mountpoint, at('m'), 'mount(8) gives a source too');
});

t.test('paths are resolved, and are bytes', async (t) => {
  const { options } = parse('-o', `lowerdir=${at('link')}:${base}/c\\:d:${base}/b/../ünï`, at('m'));
  const bytes = Buffer.from(at('ünï'), 'utf8').toString('latin1');
  t.same(options.lowers, [at('a'), at('c:d'), bytes]);
});

const lower = `lowerdir=${at('a')}`;
const complaints: readonly (readonly [string, readonly string[], string])[] = [
  ['an unknown word', ['-x', at('m')], "unknown argument '-x'"],
  ['-o without a list', [at('m'), '-o'], '-o needs a value'],
  ['no such channel', ['--channel=x', at('m')], "--channel: 'x' is neither native nor fuse-native"],
  ['--channel without one', ['--channel'], '--channel needs a value'],
  ['no lowerdir', [at('m')], 'no lowerdir: -o lowerdir=TOP:…:BOTTOM is needed'],
  ['no mountpoint', ['-o', lower], 'no mountpoint'],
  ['too much', ['-o', lower, 'x', 'y', at('m')], `too many arguments before mountpoint ${at('m')}`],
  ['an unknown option', ['-o', `${lower},zap`, at('m')], "unknown option 'zap'"],
  [
    'upper alone',
    ['-o', `${lower},upperdir=${at('u')}`, at('m')],
    `upperdir ${at('u')} needs a workdir on the same filesystem`,
  ],
  ['workdir alone', ['-o', `${lower},workdir=${at('w')}`, at('m')], `workdir ${at('w')} without an upperdir`],
  ['a missing lower', ['-o', `lowerdir=${at('zz')}`, at('m')], `lowerdir ${at('zz')}: no such file or directory`],
  ['a lower that is a file', ['-o', `lowerdir=${at('file')}`, at('m')], `lowerdir ${at('file')}: not a directory`],
  [
    'a lower that is a loop',
    ['-o', `lowerdir=${at('loop')}`, at('m')],
    `lowerdir ${at('loop')}: too many symbolic links`,
  ],
  ['a missing upper', ['-o', list.replace('/u,', '/zz,'), at('m')], `upperdir ${at('zz')}: no such file or directory`],
  ['a missing workdir', ['-o', `${list}z`, at('m')], `workdir ${at('wz')}: no such file or directory`],
  ['a missing mountpoint', ['-o', lower, at('zz')], `mountpoint ${at('zz')}: no such file or directory`],
  ['a mountpoint that is a file', ['-o', lower, at('file')], `mountpoint ${at('file')}: not a directory`],
  ['one lower twice', ['-o', `${lower}:${at('link')}`, at('m')], `lowerdir ${at('a')} overlaps lowerdir ${at('a')}`],
  [
    'a lower in a lower',
    ['-o', `${lower}:${at('a/inner')}`, at('m')],
    `lowerdir ${at('a/inner')} overlaps lowerdir ${at('a')}`,
  ],
  [
    'a lower in the upper',
    ['-o', list.replace(at('a'), at('u/inner')), at('m')],
    `lowerdir ${at('u/inner')} overlaps upperdir ${at('u')}`,
  ],
  [
    'a workdir in the upper',
    ['-o', list.replace(at('w'), at('u/inner')), at('m')],
    `workdir ${at('u/inner')} overlaps upperdir ${at('u')}`,
  ],
  [
    'a mountpoint in the upper',
    ['-o', list, at('u/inner')],
    `mountpoint ${at('u/inner')} lies inside upperdir ${at('u')}`,
  ],
  [
    'a mountpoint in the workdir',
    ['-o', list, at('w/inner')],
    `mountpoint ${at('w/inner')} lies inside workdir ${at('w')}`,
  ],
];

t.test('complaints', async (t) => {
  for (const [what, argv, message] of complaints) {
    t.throws(() => parse(...argv), { name: 'MountError', message }, what);
  }
});
