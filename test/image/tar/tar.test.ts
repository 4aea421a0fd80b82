// The codec against itself on random members, and against GNU tar and bsdtar on real files.

import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { storedSize, type TarEntry } from '../../../lib/image/tar/entry.js';
import { parseNumber } from '../../../lib/image/tar/header.js';
import { formatTime, parseTime } from '../../../lib/image/tar/pax.js';
import { readTar } from '../../../lib/image/tar/reader.js';
import { type Outgoing, writeTar } from '../../../lib/image/tar/writer.js';
import { freshDirectory } from '../../support/paths.js';

interface Held {
  readonly entry: TarEntry;
  readonly data: Buffer;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Held[]> {
  const held: Held[] = [];
  for await (const { entry, data } of readTar(stream)) held.push({ entry, data: await collect(data) });
  return held;
}

const write = (members: readonly Held[]): Promise<Buffer> =>
  collect(writeTar(members.map(({ entry, data }): Outgoing => ({ entry, data: Readable.from([data]) }))));

/** The archive in pieces of `size` bytes, so that every boundary is crossed somewhere. */
async function* pieces(archive: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

const byte = (code: number): string => String.fromCharCode(code);
const component = fc
  .array(
    fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f),
    { minLength: 1, maxLength: 120 },
  )
  .map((codes) => codes.map(byte).join(''))
  .filter((name) => name !== '.' && name !== '..');
const path = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const id = fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 2 ** 21, max: 2 ** 32 - 2 }));

const member: fc.Arbitrary<Held> = fc
  .record({
    path,
    type: fc.constantFrom<TarEntry['type']>('file', 'hardlink', 'symlink', 'char', 'block', 'directory', 'fifo'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: id,
    gid: id,
    seconds: fc.integer({ min: -(2 ** 33), max: 2 ** 35 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    target: path,
    device: fc.integer({ min: 0, max: 4095 }),
    xattrs: fc.array(fc.tuple(fc.stringMatching(/^user\.[a-z]{1,9}$/), fc.uint8Array({ maxLength: 90 })), {
      maxLength: 3,
    }),
    data: fc.uint8Array({ maxLength: 2000 }),
  })
  .map((made) => {
    const isFile = made.type === 'file';
    const isDevice = made.type === 'char' || made.type === 'block';
    const data = Buffer.from(isFile ? made.data : []);
    return {
      entry: {
        path: made.path,
        type: made.type,
        mode: made.mode,
        uid: made.uid,
        gid: made.gid,
        size: data.length,
        mtime: { seconds: made.seconds, nanoseconds: made.nanoseconds },
        target: made.type === 'hardlink' || made.type === 'symlink' ? made.target : '',
        major: isDevice ? made.device : 0,
        minor: isDevice ? made.device : 0,
        xattrs: new Map(made.xattrs.map(([name, value]) => [name, Buffer.from(value)])),
        extents: null,
      },
      data,
    };
  });

t.test('what is written is read again, in pieces of any size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(member, { maxLength: 6 }), fc.integer({ min: 1, max: 3000 }), async (members, size) => {
      const archive = await write(members);
      const found = await readAll(pieces(archive, size));
      t.strictSame(found, members);
      if (!(await write(members)).equals(archive)) throw new Error('not the same bytes again');
    }),
    { numRuns: 150 },
  );
});

t.test('random bytes are refused or read, and always end', async (t) => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(member, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      async (members, at, value) => {
        const archive = await write(members);
        archive[at % archive.length] = value;
        try {
          await readAll(pieces(archive, 700));
        } catch (error) {
          if ((error as Error).name !== 'TarError') throw error;
          refused += 1;
        }
      },
    ),
    { numRuns: 200 },
  );
  t.ok(refused > 0, 'a checksum notices');
});

t.test('an archive that ends too early is damaged', async (t) => {
  const entry = (size: number): TarEntry => ({
    path: 'f',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanoseconds: 0 },
    target: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
    extents: null,
  });
  const archive = await write([{ entry: entry(1000), data: Buffer.alloc(1000, 'x') }]);
  for (const length of [100, 512 + 10, 512 + 1000]) {
    await t.rejects(readAll(pieces(archive.subarray(0, length), 512)), { name: 'TarError' }, `${length} bytes`);
  }
  await t.rejects(write([{ entry: entry(5), data: Buffer.from('four') }]), {
    name: 'TarError',
    message: /size changed/,
  });
  await t.rejects(write([{ entry: entry(3), data: Buffer.from('four') }]), {
    name: 'TarError',
    message: /size changed/,
  });
});

t.test('numbers and times', async (t) => {
  t.equal(parseNumber(Buffer.from('0000644\0')), 0o644);
  t.equal(parseNumber(Buffer.from(' 644 \0\0\0')), 0o644);
  t.equal(parseNumber(Buffer.from([0x80, 0, 0, 0, 0, 0, 1, 0])), 256);
  t.equal(parseNumber(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe])), -2);
  t.throws(() => parseNumber(Buffer.from('9')), { name: 'TarError' });
  for (const text of ['0', '1.5', '-0.5', '-1', '-1.25', '1700000000.123456789'])
    t.equal(formatTime(parseTime(text)), text);
});

const base = freshDirectory('tar');
t.teardown(() => rmSync(base, { recursive: true }));

/** Real files of every kind that tar may hold. */
function plant(root: string): void {
  mkdirSync(join(root, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
  writeFileSync(join(root, 'd'.repeat(90), 'e'.repeat(90), 'f'.repeat(200)), 'deep');
  writeFileSync(join(root, 'file'), 'contents');
  writeFileSync(Buffer.concat([Buffer.from(`${root}/bin`), Buffer.from([0xff, 0xfe, 0x80])]), 'name of bytes');
  writeFileSync(join(root, 'sparse'), 'head');
  truncateSync(join(root, 'sparse'), 50 << 20);
  execFileSync('sh', ['-ec', 'printf middle | dd of=sparse bs=1 seek=20000000 conv=notrunc 2>/dev/null'], {
    cwd: root,
  });
  const script = `
    ln file hard; ln -s target soft; mkfifo fifo; mknod null c 1 3; mknod disk b 8 1
    chown 70000:3000000 file; chmod 4755 file; touch -d '1990-12-31T23:59:59.5Z' soft -h
    touch -d '2021-03-04T05:06:07.123456789Z' file; setfattr -n user.binary -v 0x00ff0a3d file
    setfattr -n trusted.t -v y file; setcap cap_net_raw+ep file 2>/dev/null || true; chmod 1777 ${'d'.repeat(90)}`;
  execFileSync('sh', ['-ec', script], { cwd: root });
}

/** What a member must come out as, whoever wrote it. */
function summary(held: readonly Held[]): object[] {
  return held
    .map(({ entry, data }) => ({ ...entry, path: entry.path.replace(/^\.\//, ''), stored: data.length }))
    .filter(({ path: name }) => name !== '.' && name !== '')
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The member that holds the file of two names: the other is a link to it. */
function theFile(found: ReadonlyMap<string, Held>): TarEntry {
  const held = [found.get('file'), found.get('hard')].find((each) => each?.entry.type === 'file');
  if (held === undefined) throw new Error('neither name holds the file');
  return held.entry;
}

const tars: Readonly<Record<string, readonly string[]>> = {
  'GNU tar, PAX': ['tar', '--format=posix', '--xattrs', '--xattrs-include=*', '-cf'],
  'GNU tar, PAX, sparse 0.0': ['tar', '--format=posix', '--sparse', '--sparse-version=0.0', '-cf'],
  'GNU tar, PAX, sparse 0.1': ['tar', '--format=posix', '--sparse', '--sparse-version=0.1', '-cf'],
  'GNU tar, PAX, sparse 1.0': ['tar', '--format=posix', '--sparse', '--sparse-version=1.0', '-cf'],
  'GNU tar, its own format': ['tar', '--format=gnu', '-cf'],
  'GNU tar, its own format, sparse': ['tar', '--format=gnu', '--sparse', '-cf'],
};

t.test('archives of others', async (t) => {
  const root = join(base, 'tree');
  mkdirSync(root);
  plant(root);
  for (const [name, [program, ...options]] of Object.entries(tars)) {
    const archive = join(base, 'archive.tar');
    execFileSync(program as string, [...options, archive, '.'], { cwd: root });
    const found = new Map(
      (await readAll(createReadStream(archive))).map((held) => [held.entry.path.replace(/^\.\//, ''), held]),
    );
    t.match(
      found.get('file')?.entry ?? found.get('hard')?.entry,
      { mode: 0o4755, uid: 70000, gid: 3000000, size: 8 },
      name,
    );
    t.equal(found.get(`${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(200)}`)?.data.toString(), 'deep', name);
    t.equal(found.get('bin\xff\xfe\x80')?.data.toString(), 'name of bytes', name);
    t.match(found.get('soft')?.entry, { type: 'symlink', target: 'target' }, name);
    t.match(found.get('null')?.entry, { type: 'char', major: 1, minor: 3 }, name);
    t.match(found.get('disk')?.entry, { type: 'block', major: 8, minor: 1 }, name);
    const sparse = found.get('sparse') as Held;
    t.equal(sparse.entry.size, 50 << 20, name);
    t.equal(sparse.entry.extents !== null, name.includes('sparse'), name);
    t.equal(storedSize(sparse.entry), sparse.data.length, name);
    const middle = sparse.entry.extents?.find(
      ({ offset, length }) => offset <= 20_000_000 && offset + length > 20_000_000,
    );
    if (sparse.entry.extents === null) t.equal(sparse.data.toString('latin1', 20_000_000, 20_000_006), 'middle', name);
    else t.ok(middle, `${name}: the piece in the middle`);
    if (!options.includes('--xattrs')) continue;
    const { xattrs, mtime } = theFile(found);
    t.same(xattrs.get('user.binary'), Buffer.from([0, 0xff, 0x0a, 0x3d]), name);
    t.same(mtime, { seconds: 1614834367, nanoseconds: 123456789 }, name);
    t.same(found.get('soft')?.entry.mtime, { seconds: 662687999, nanoseconds: 500_000_000 }, name);
  }
});

t.test('others read ours as they read their own', async (t) => {
  const root = join(base, 'source');
  mkdirSync(root);
  plant(root);
  const theirs = join(base, 'theirs.tar');
  execFileSync('tar', ['--format=posix', '--xattrs', '--xattrs-include=*', '--sparse', '-cf', theirs, '.'], {
    cwd: root,
  });
  const held = await readAll(createReadStream(theirs));
  const ours = join(base, 'ours.tar');
  writeFileSync(ours, await write(held));
  t.strictSame(summary(await readAll(createReadStream(ours))), summary(held));
  for (const [name, archive] of [
    ['theirs', theirs],
    ['ours', ours],
  ] as const) {
    const into = join(base, `from-${name}`);
    mkdirSync(into);
    execFileSync('tar', ['--xattrs', '--xattrs-include=*', '-xpf', archive, '--numeric-owner'], { cwd: into });
  }
  const tell = (directory: string): string =>
    execFileSync(
      'sh',
      [
        '-ec',
        `find . -printf '%p %y %m %U:%G %s %l %T@\\n' | LC_ALL=C sort; getfattr -R -d -m - -h -e hex . 2>/dev/null; md5sum sparse file`,
      ],
      {
        cwd: join(base, directory),
        encoding: 'latin1',
      },
    );
  t.equal(tell('from-ours'), tell('from-theirs'));
  t.ok(
    Number(execFileSync('stat', ['-c', '%b', join(base, 'from-ours', 'sparse')]).toString()) < 1000,
    'holes are holes',
  );
  t.ok(readFileSync(ours).length < 1 << 20, 'and take no room in the archive');
});
