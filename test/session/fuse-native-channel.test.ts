// The pure parts of the second channel: paths, errors, attributes, times, mount options.

import t from 'tap';
import { ErrnoError, errno } from '../../lib/errno.js';
import {
  direntWords,
  folded,
  hiddenName,
  joined,
  mountArgument,
  mtimeOf,
  resultOf,
  splitLast,
  splitPath,
  statfsWords,
  statWords,
  timeOf,
} from '../../lib/session/fuse-native-convert.js';
import { ScriptPlane } from '../../lib/session/fuse-native-plane.js';
import { Stat, W } from '../../lib/sys/stat.js';

const wishes = { source: 'u:a', readOnly: false, allowOther: false, timeout: null, flags: [] };

function codeOf(run: () => unknown): number {
  try {
    run();
    return 0;
  } catch (error) {
    return resultOf(error) ?? Number.NaN;
  }
}

t.test('paths become components of bytes', (t) => {
  t.strictSame(splitPath('/'), []);
  t.strictSame(splitPath('/a/b c'), ['a', 'b c']);
  t.strictSame(splitPath('/ä'), ['\xc3\xa4']);
  t.strictSame(splitLast('/a/b/c'), { parent: ['a', 'b'], name: 'c' });
  t.equal(
    codeOf(() => splitLast('/')),
    -errno.EINVAL,
    'the root has no name',
  );
  t.equal(
    codeOf(() => splitPath('/a/\uFFFD')),
    -errno.EINVAL,
    'what the package has damaged',
  );
  t.strictSame(splitPath(`/${'ä'.repeat(127)}`)[0]?.length, 254);
  t.equal(
    codeOf(() => splitPath(`/${'ä'.repeat(128)}`)),
    -errno.ENAMETOOLONG,
    'bytes are counted',
  );
  t.end();
});

t.test('only names that libfuse makes are hidden ones', (t) => {
  t.equal(hiddenName('/d/.fuse_hidden0000000a00000001'), '.fuse_hidden0000000a00000001');
  t.equal(hiddenName('/d/.fuse_hidden0000000a00000001/x'), null);
  t.equal(hiddenName('/d/.fuse_hidden'), null);
  t.end();
});

t.test('an errno becomes a result, anything else does not', (t) => {
  t.equal(resultOf(new ErrnoError(errno.EXDEV, 'rename')), -errno.EXDEV);
  t.equal(resultOf(new Error('surprise')), null);
  t.equal(resultOf(undefined), null);
  t.end();
});

t.test('numbers of two words', (t) => {
  t.equal(joined(5, 1), 0x1_0000_0005);
  t.equal(joined(0xffff_ffff, 0xffff_ffff), -1);
  t.equal(folded(77, 0), 77, 'small inode numbers stay');
  t.equal(folded(0, 0), 1, 'there is no inode 0');
  t.not(folded(77, 1), folded(77, 2));
  t.ok(folded(0xffff_ffff, 0x8000_0001) > 0);
  t.end();
});

t.test('attributes keep 64-bit sizes and milliseconds', (t) => {
  const stat = new Stat();
  stat.mode = 0o100640;
  stat.uid = 4294967294;
  stat.nlink = 3;
  stat.setIno(9, 0);
  stat.words[W.size] = 7;
  stat.words[W.size + 1] = 2;
  stat.words[W.mtime] = 1_700_000_000;
  stat.words[W.mtimeNsec] = 123_999_999;
  stat.words[W.atime] = 0xffff_fff0;
  stat.words[W.atime + 1] = 0xffff_ffff;
  const words = statWords(stat);
  t.strictSame([words[0], words[1], words[3], words[4], words[6], words[7]], [0o100640, 4294967294, 7, 2, 3, 9]);
  t.equal(joined(words[14] as number, words[15] as number), 1_700_000_000_123);
  t.strictSame([words[12], words[13]], [0, 0], 'what is before 1970 has no form');
  t.equal(statWords(stat, 1)[6], 4);
  t.strictSame([direntWords(9, 0, 4)[0], direntWords(9, 0, 4)[7]], [0o040000, 9]);
  t.end();
});

t.test('a filesystem of more than 2^32 blocks is told in larger ones', (t) => {
  const numbers = { bsize: 4096, frsize: 4096, blocks: 2 ** 34, bfree: 2 ** 33, bavail: 4, files: 2 ** 40, ffree: 5 };
  const words = statfsWords(numbers, 255);
  t.equal((words[1] as number) * (words[2] as number), 4096 * 2 ** 34);
  t.equal((words[1] as number) * (words[3] as number), 4096 * 2 ** 33);
  t.strictSame([words[5], words[6], words[7], words[10]], [0xffff_ffff, 5, 5, 255]);
  t.equal(statfsWords({ ...numbers, blocks: 100, bfree: 50 }, 255)[1], 4096);
  t.end();
});

t.test('the modification time is read where the access time stands beside it', (t) => {
  const thread = Buffer.alloc(200);
  thread.writeBigInt64LE(1_700_000_000_123n, 104);
  thread.writeBigInt64LE(-5_000n, 112);
  t.equal(mtimeOf(thread, 1_700_000_000_123), -5000);
  t.equal(mtimeOf(thread, 1), null, 'a record that looks otherwise is not trusted');
  t.equal(mtimeOf(thread.subarray(0, 119), 1_700_000_000_123), null);
  t.equal(mtimeOf(null, 1), null);
  t.strictSame(timeOf(1_500), { seconds: 1, nanoseconds: 500_000_000 });
  t.strictSame(timeOf(-1), { seconds: -1, nanoseconds: 999_000_000 });
  t.end();
});

t.test('the mount argument', (t) => {
  const words = (argument: string): string[] => argument.slice(2).split(/(?<!\\),/);
  const plain = words(mountArgument(wishes));
  for (const word of ['default_permissions', 'use_ino', 'big_writes', 'subtype=stratafs', 'rw', 'attr_timeout=0']) {
    t.ok(plain.includes(word), word);
  }
  t.notOk(plain.includes('allow_other'));
  const other = words(
    mountArgument({ ...wishes, readOnly: true, allowOther: true, timeout: 7, flags: ['noexec', 'relatime'] }),
  );
  for (const word of ['ro', 'allow_other', 'attr_timeout=7', 'entry_timeout=7', 'noexec'])
    t.ok(other.includes(word), word);
  t.notOk(other.includes('relatime'), 'libfuse 2.9 would refuse the mount');
  t.ok(mountArgument({ ...wishes, source: 'a,b\\' }).endsWith('fsname=a\\,b\\\\'));
  const long = mountArgument({ ...wishes, source: 'ä,'.repeat(1000) });
  t.ok(Buffer.byteLength(long) < 1024, 'it fits into the buffer of the package');
  t.notMatch(long, /\uFFFD|\\$/, 'and is cut between characters');
  t.end();
});

t.test('the plane closes what it owns, once', (t) => {
  const closed: number[] = [];
  const plane = new ScriptPlane({
    close: (fd) => {
      closed.push(fd);
      return 0;
    },
  });
  t.equal(plane.attach(1, 40), 0);
  t.equal(plane.attach(2, 41), 0);
  t.equal(plane.swap(1, 42), 0);
  t.equal(plane.fd(1), 42);
  t.equal(plane.attached, 2);
  t.equal(plane.detach(1), 0);
  t.equal(plane.detach(1), -errno.EBADF);
  t.equal(plane.swap(1, 43), -errno.EBADF);
  t.equal(plane.fd(1), -errno.EBADF);
  t.equal(plane.detach(2), 0);
  t.strictSame(closed, [40, 42, 41]);
  t.equal(plane.backingOpen(), -errno.EOPNOTSUPP);
  t.end();
});
