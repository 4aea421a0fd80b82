// The override's text, in every dialect that is found, and the names kept beside it.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../lib/sys/constants.js';
import { fits, formatOverride, givenName, keptName, parseOverride } from '../../lib/union/override-stat.js';

const parse = (text: string) => parseOverride(Buffer.from(text, 'latin1'));

t.test('what containers/storage writes, and reads', async (t) => {
  const rows = [
    ['0:0:0755:dir', S_IFDIR | 0o755, 0],
    ['0:0:4755:file', S_IFREG | 0o4755, 0],
    ['0:0:0000:file', S_IFREG, 0],
    ['0:0:0777:symlink', S_IFLNK | 0o777, 0],
    ['0:0:0644:pipe', S_IFIFO | 0o644, 0],
    ['0:0:0600:socket', S_IFSOCK | 0o600, 0],
    ['0:0:0660:block-8-0', S_IFBLK | 0o660, 0x800],
    ['0:0:0666:char-1-3', S_IFCHR | 0o666, 0x103],
    ['0:0:0666:char-300-70000', S_IFCHR | 0o666, 0x11112c70],
  ] as const;
  for (const [text, mode, rdev] of rows) {
    t.equal(formatOverride('containers', 0, 0, mode, rdev).toString(), text);
    t.same(parse(text), { uid: 0, gid: 0, mode: mode & 0o7777, format: mode & 0o170000, rdev }, text);
  }
  t.match(parse('4294967294:1001:0644:file'), { uid: 4294967294, gid: 1001 });
});

t.test('what fuse-overlayfs writes: 1 with the format in the mode, 2 with a colon in a device', async (t) => {
  t.equal(formatOverride('security', 1000, 1001, S_IFREG | 0o4755, 0).toString(), '1000:1001:104755');
  t.equal(formatOverride('legacy', 0, 0, S_IFDIR | 0o777, 0).toString(), '0:0:40777');
  t.equal(formatOverride('security', 0, 0, S_IFCHR | 0o666, 0x103).toString(), '0:0:0666:char-1-3');
  t.same(parse('1000:1001:104755'), { uid: 1000, gid: 1001, mode: 0o4755, format: null, rdev: 0 });
  t.same(parse('0:0:755'), { uid: 0, gid: 0, mode: 0o755, format: null, rdev: 0 });
  t.match(parse('0:6:660:block8:0'), { format: S_IFBLK, rdev: 0x800 });
  t.match(parse('0:6:666:char1:3'), { format: S_IFCHR, rdev: 0x103 });
});

t.test('what is none', async (t) => {
  const bad = [
    '',
    '0',
    '0:0',
    '0:0:',
    '0:0:8',
    'a:0:755',
    '-1:0:755',
    '0:0:755:',
    '0:0:755:bogus',
    '0:0:755:char',
    '0:0:755:char-1',
  ];
  bad.push(
    '0:0:755:file-1-3',
    '4294967295:0:755',
    '0:0:755:dir ',
    '0:0:755\n',
    '0:0:755:constructor',
    '0:0:0644:char-1-3-5',
  );
  for (const text of bad) t.equal(parse(text), null, JSON.stringify(text));
});

t.test('which of the host’s files it may be', async (t) => {
  const of = (type: string) => parse(`0:0:0755:${type}`) ?? t.fail(type);
  t.ok(fits(of('dir') as never, S_IFDIR));
  t.ok(fits(of('char-1-3') as never, S_IFREG));
  t.notOk(fits(of('char-1-3') as never, S_IFDIR));
  t.notOk(fits(of('dir') as never, S_IFREG));
  t.notOk(fits(of('file') as never, S_IFDIR));
  t.ok(fits(parse('0:0:755') as never, S_IFDIR), 'the host’s');
});

t.test('security.* beside it', async (t) => {
  const kept = 'user.containers.override_security.capability';
  t.equal(keptName('containers', 'security.capability'), kept);
  t.equal(givenName('containers', kept), 'security.capability');
  t.equal(givenName('containers', 'security.capability'), undefined, 'the host’s own');
  t.equal(givenName('containers', 'user.containers.override_stat'), 'user.containers.override_stat');
  t.equal(keptName('containers', `security.${'x'.repeat(240)}`), undefined, 'too long');
  for (const dialect of ['security', 'legacy'] as const) {
    t.equal(keptName(dialect, 'security.capability'), 'security.capability');
    t.equal(givenName(dialect, 'security.capability'), 'security.capability');
  }
});
