// Every opcode: what an independent encoder writes, the decoder reads back.

import { deepStrictEqual } from 'node:assert';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode, opcodeName } from '../../lib/wire/abi.js';
import { decode, expectsReply, isResent, type Request } from '../../lib/wire/requests.js';
import { type Bytes, build, groupExtension, request, securityExtension } from '../support/wire-builder.js';

const ext = { setxattrExt: true };
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.maxSafeNat();
const i64 = fc.maxSafeInteger();
/** Any byte but NUL, so '/' too: what a name means is not the wire's business. */
const byteString = (longest: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: longest })
    .map((codes) => Buffer.from(codes).toString('latin1'));
const name = byteString(255);
const data = fc.uint8Array({ maxLength: 300 });

interface Case {
  built: Bytes;
  body: object;
}

const read = fc
  .record({ fh: u64, offset: u64, size: u32, readFlags: u32, flags: u32 })
  .map((body) => ({ built: build.read(body.fh, body.offset, body.size, body.readFlags, body.flags, 77), body }));
const open = fc
  .record({ flags: u32, openFlags: u32 })
  .map((body) => ({ built: build.open(body.flags, body.openFlags), body }));
const release = fc
  .record({ fh: u64, flags: u32, releaseFlags: u32 })
  .map((body) => ({ built: build.release(body.fh, body.flags, body.releaseFlags), body }));
const fsync = fc
  .record({ fh: u64, fsyncFlags: u32 })
  .map((body) => ({ built: build.fsync(body.fh, body.fsyncFlags), body }));
const named = fc.record({ name }).map((body) => ({ built: build.names(body.name), body }));
const none = fc.constant({ built: build.empty(), body: {} });
const create = fc
  .record({ flags: u32, mode: u32, umask: u32, openFlags: u32, name, suppGroup: fc.constant(undefined) })
  .map((body) => ({ built: build.create(body.flags, body.mode, body.umask, body.openFlags, body.name), body }));
const lock = fc
  .record({ fh: u64, ownerLow: u32, ownerHigh: u32, start: u64, end: u64, type: u32, pid: u32, lockFlags: u32 })
  .map((body) => {
    const owner = (BigInt(body.ownerHigh) << 32n) | BigInt(body.ownerLow);
    return { built: build.lock(body.fh, owner, body.start, body.end, body.type, body.pid, body.lockFlags), body };
  });
const copy = fc
  .record({ fhIn: u64, offIn: u64, nodeidOut: u64, fhOut: u64, offOut: u64, length: u64, flags: u32 })
  .map((b) => ({
    built: build.copyFileRange(b.fhIn, b.offIn, b.nodeidOut, b.fhOut, b.offOut, b.length, b.flags),
    body: b,
  }));
const setattr = fc
  .record({
    valid: u32,
    fh: u64,
    size: u64,
    lockOwnerLow: u32,
    lockOwnerHigh: u32,
    atime: i64,
    mtime: i64,
    ctime: i64,
    atimeNsec: u32,
    mtimeNsec: u32,
    ctimeNsec: u32,
    mode: u32,
    uid: u32,
    gid: u32,
  })
  .map((body) => {
    const lockOwner = (BigInt(body.lockOwnerHigh) << 32n) | BigInt(body.lockOwnerLow);
    return { built: build.setattr({ ...body, lockOwner }), body };
  });
const ioctl = fc.record({ fh: u64, flags: u32, cmd: u32, arg: u64, outSize: u32, data }).map((b) => ({
  built: build.ioctl(b.fh, b.flags, b.cmd, b.arg, b.outSize, b.data),
  body: { ...b, inSize: b.data.byteLength },
}));

/** One arbitrary per opcode; SETXATTR is here in its extended form. */
const cases: Record<keyof typeof Opcode, fc.Arbitrary<Case>> = {
  LOOKUP: named,
  FORGET: fc.record({ nlookup: u64 }).map((body) => ({ built: build.forget(body.nlookup), body })),
  GETATTR: fc.record({ flags: u32, fh: u64 }).map((body) => ({ built: build.getattr(body.flags, body.fh), body })),
  SETATTR: setattr,
  READLINK: none,
  SYMLINK: fc
    .record({ name, target: byteString(4095), suppGroup: fc.constant(undefined) })
    .map((body) => ({ built: build.names(body.name, body.target), body })),
  MKNOD: fc
    .record({ mode: u32, rdev: u32, umask: u32, name, suppGroup: fc.constant(undefined) })
    .map((body) => ({ built: build.mknod(body.mode, body.rdev, body.umask, body.name), body })),
  MKDIR: fc
    .record({ mode: u32, umask: u32, name, suppGroup: fc.constant(undefined) })
    .map((body) => ({ built: build.mkdir(body.mode, body.umask, body.name), body })),
  UNLINK: named,
  RMDIR: named,
  RENAME: fc
    .record({ newDir: u64, flags: fc.constant(0), name, newName: name })
    .map((body) => ({ built: build.rename(body.newDir, body.name, body.newName), body })),
  LINK: fc.record({ oldNodeid: u64, name }).map((body) => ({ built: build.link(body.oldNodeid, body.name), body })),
  OPEN: open,
  READ: read,
  WRITE: fc.record({ fh: u64, offset: u64, writeFlags: u32, flags: u32, data }).map((b) => ({
    built: build.write(b.fh, b.offset, b.data, b.writeFlags, b.flags),
    body: { ...b, size: b.data.byteLength },
  })),
  STATFS: none,
  RELEASE: release,
  FSYNC: fsync,
  SETXATTR: fc
    .record({ name, value: data, flags: u32, extFlags: u32 })
    .map((body) => ({ built: build.setxattrExt(body.name, body.value, body.flags, body.extFlags), body })),
  GETXATTR: fc.record({ name, size: u32 }).map((body) => ({ built: build.getxattr(body.size, body.name), body })),
  LISTXATTR: fc.record({ size: u32 }).map((body) => ({ built: build.listxattr(body.size), body })),
  REMOVEXATTR: named,
  FLUSH: fc.record({ fh: u64 }).map((body) => ({ built: build.flush(body.fh), body })),
  INIT: fc
    .record({ major: u32, minor: u32, maxReadahead: u32, flags: u32, flags2: u32 })
    .map((b) => ({ built: build.init(b.major, b.minor, b.maxReadahead, b.flags, b.flags2), body: b })),
  OPENDIR: open,
  READDIR: read,
  RELEASEDIR: release,
  FSYNCDIR: fsync,
  GETLK: lock,
  SETLK: lock,
  SETLKW: lock,
  ACCESS: fc.record({ mask: u32 }).map((body) => ({ built: build.access(body.mask), body })),
  CREATE: create,
  INTERRUPT: fc.record({ targetLow: u32, targetHigh: u32 }).map((body) => ({
    built: build.interrupt((BigInt(body.targetHigh) << 32n) | BigInt(body.targetLow)),
    body,
  })),
  BMAP: fc
    .record({ block: u64, blockSize: u32 })
    .map((body) => ({ built: build.bmap(body.block, body.blockSize), body })),
  DESTROY: none,
  IOCTL: ioctl,
  POLL: fc.record({ fh: u64, khLow: u32, khHigh: u32, flags: u32, events: u32 }).map((body) => ({
    built: build.poll(body.fh, (BigInt(body.khHigh) << 32n) | BigInt(body.khLow), body.flags, body.events),
    body,
  })),
  NOTIFY_REPLY: fc
    .record({ offset: u64, data })
    .map((b) => ({ built: build.notifyReply(b.offset, b.data), body: { ...b, size: b.data.byteLength } })),
  BATCH_FORGET: fc
    .record({ items: fc.array(fc.record({ nodeid: u64, nlookup: u64 }), { maxLength: 20 }) })
    .map((body) => ({ built: build.batchForget(body.items), body })),
  FALLOCATE: fc
    .record({ fh: u64, offset: u64, length: u64, mode: u32 })
    .map((b) => ({ built: build.fallocate(b.fh, b.offset, b.length, b.mode), body: b })),
  READDIRPLUS: read,
  RENAME2: fc
    .record({ newDir: u64, flags: u32, name, newName: name })
    .map((b) => ({ built: build.rename2(b.newDir, b.flags, b.name, b.newName), body: b })),
  LSEEK: fc
    .record({ fh: u64, offset: i64, whence: u32 })
    .map((b) => ({ built: build.lseek(b.fh, b.offset, b.whence), body: b })),
  COPY_FILE_RANGE: copy,
  SETUPMAPPING: fc
    .record({ fh: u64, fileOffset: u64, length: u64, flags: u64, memoryOffset: u64 })
    .map((b) => ({ built: build.setupMapping(b.fh, b.fileOffset, b.length, b.flags, b.memoryOffset), body: b })),
  REMOVEMAPPING: fc
    .record({ items: fc.array(fc.record({ memoryOffset: u64, length: u64 }), { maxLength: 20 }) })
    .map((body) => ({ built: build.removeMapping(body.items), body })),
  SYNCFS: fc.constant({ built: build.syncfs(), body: {} }),
  TMPFILE: create,
  STATX: fc
    .record({ flags: u32, fh: u64, sxFlags: u32, mask: u32 })
    .map((b) => ({ built: build.statx(b.flags, b.fh, b.sxFlags, b.mask), body: b })),
  COPY_FILE_RANGE_64: copy,
};

/** Runs a property as one assertion of the test. */
function holds<T>(t: Test, property: fc.IProperty<T>, numRuns = 100): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }));
}

function one(buffer: Buffer, dialect = ext): Request | undefined {
  return decode(buffer, buffer.byteLength, dialect);
}

/** Plain data, so that byte views of any class, and records of any prototype, compare equal. */
function plain(body: object): unknown {
  const fields = Object.entries(body).map(([key, value]) => [
    key,
    value instanceof Uint8Array ? Array.from(value) : value,
  ]);
  return structuredClone(Object.fromEntries(fields));
}

for (const [key, arbitrary] of Object.entries(cases)) {
  const opcode = Opcode[key as keyof typeof Opcode];
  t.test(`${key} decodes to what was built`, (t) => {
    holds(
      t,
      fc.property(arbitrary, ({ built, body }) => {
        const decoded = one(request(opcode, built));
        if (decoded === undefined || decoded.malformed) throw new Error('not decoded');
        deepStrictEqual(plain(decoded.body), plain(body));
      }),
    );
    t.end();
  });

  t.test(`${key} cut short anywhere is malformed or smaller, never an exception`, (t) => {
    holds(
      t,
      fc.property(arbitrary, fc.nat(), ({ built }, cut) => {
        const whole = request(opcode, built);
        const length = 40 + (cut % Math.max(1, whole.byteLength - 40));
        if (length >= whole.byteLength) return;
        const part = Buffer.from(whole.subarray(0, length));
        part.writeUInt32LE(length, 0);
        const decoded = one(part);
        // INIT alone may be shorter: older kernels send fewer fields.
        if (key !== 'INIT' && !decoded?.malformed) throw new Error(`${length} of ${whole.byteLength} was accepted`);
      }),
    );
    t.end();
  });
}

t.test('the header', (t) => {
  holds(
    t,
    fc.property(
      fc.record({ unique: fc.bigInt(0n, 2n ** 64n - 1n), nodeid: u64, uid: u32, gid: u32, pid: u32 }),
      (caller) => {
        const decoded = one(request(Opcode.STATFS, build.empty(), caller));
        if (decoded === undefined) throw new Error('not decoded');
        const { uniqueLow, uniqueHigh, nodeid, uid, gid, pid } = decoded;
        const unique = (BigInt(uniqueHigh) << 32n) | BigInt(uniqueLow);
        deepStrictEqual({ unique, nodeid, uid, gid, pid }, { ...caller });
        deepStrictEqual(isResent(decoded), caller.unique >= 2n ** 63n);
      },
    ),
  );
  t.end();
});

t.test('without a whole header there is no request', (t) => {
  const whole = request(Opcode.STATFS, build.empty());
  for (let length = 0; length < 40; length += 1) t.equal(decode(whole, length), undefined);
  t.equal(decode(Buffer.concat([whole, whole]), 80), undefined, 'the length in the header is another');
  t.equal(decode(whole, 41), undefined, 'the buffer is smaller than the length');
  t.end();
});

t.test('random bytes never throw', (t) => {
  const bodyBytes = fc.uint8Array({ maxLength: 200 });
  holds(
    t,
    fc.property(fc.integer({ min: 0, max: 60 }), bodyBytes, fc.nat(20), fc.boolean(), (opcode, noise, extlen, long) => {
      const head = Buffer.alloc(40);
      head.writeUInt32LE(40 + noise.byteLength, 0);
      head.writeUInt32LE(opcode, 4);
      head.writeUInt16LE(extlen, 36);
      return one(Buffer.concat([head, noise]), { setxattrExt: long }) !== undefined;
    }),
    5000,
  );
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      one(Buffer.from(noise));
    }),
  );
  t.end();
});

t.test('an unknown opcode is answered ENOSYS', (t) => {
  for (const opcode of [0, 7, 19, 54, 4096, 0xffff_ffff]) {
    const decoded = one(request(opcode, build.empty()));
    t.match(decoded, { malformed: true, errno: errno.ENOSYS }, opcodeName(opcode));
  }
  t.end();
});

t.test('a malformed request still says whose it is', (t) => {
  const caller = { unique: 2n ** 40n + 1n, nodeid: 2 ** 40 + 3, uid: 1, gid: 2, pid: 3 };
  const header = { uniqueLow: 1, uniqueHigh: 256, nodeid: caller.nodeid, uid: 1, gid: 2, pid: 3 };
  t.match(one(request(99, build.empty(), caller)), { ...header, malformed: true });
  t.end();
});

t.test('names must be there and end', (t) => {
  const invalid = { malformed: true, errno: errno.EINVAL };
  t.match(one(request(Opcode.LOOKUP, build.names(''))), invalid, 'empty');
  t.match(one(request(Opcode.LOOKUP, build.empty().raw(Buffer.from('abc')))), invalid, 'no NUL');
  t.match(one(request(Opcode.RENAME, build.rename(1, 'a', ''))), invalid, 'second one empty');
  t.match(one(request(Opcode.RENAME2, build.rename2(1, 0, '', 'b'))), invalid, 'first one empty');
  t.match(one(request(Opcode.SYMLINK, build.names('a'))), invalid, 'second one missing');
  t.match(one(request(Opcode.SYMLINK, build.names('a', ''))), invalid, 'an empty target');
  t.match(one(request(Opcode.SETXATTR, build.setxattrExt('', Buffer.from('v'), 0, 0))), invalid);
  t.match(one(request(Opcode.GETXATTR, build.getxattr(1, ''))), invalid);
  t.end();
});

t.test('counts are believed only as far as there are bytes', (t) => {
  const invalid = { malformed: true, errno: errno.EINVAL };
  const items = [{ nodeid: 1, nlookup: 1 }];
  t.match(one(request(Opcode.BATCH_FORGET, build.batchForget(items, 0xffff_ffff))), invalid);
  t.match(one(request(Opcode.WRITE, build.write(1, 0, Buffer.from('abc'), 0, 0, 4))), invalid);
  t.match(one(request(Opcode.SETXATTR, build.setxattr('a', Buffer.from('v'), 0, 9)), { setxattrExt: false }), invalid);
  t.end();
});

t.test('offsets beyond 2^53 are answered EFBIG, lengths saturate', (t) => {
  const tooBig = { malformed: true, errno: errno.EFBIG };
  t.match(one(request(Opcode.READ, build.read(1, 2n ** 53n, 1))), tooBig);
  t.match(one(request(Opcode.SETATTR, build.setattr({ valid: 8, size: 2n ** 63n - 1n }))), tooBig);
  const punch = one(request(Opcode.FALLOCATE, build.fallocate(1, 0, 2n ** 63n - 1n, 3)));
  t.match(punch, { malformed: false, body: { length: Number.MAX_SAFE_INTEGER } });
  t.end();
});

t.test('SETXATTR without the extension has the short header', (t) => {
  const decoded = one(request(Opcode.SETXATTR, build.setxattr('user.a', Buffer.from('value'), 2)), {
    setxattrExt: false,
  });
  if (decoded === undefined || decoded.malformed || decoded.opcode !== Opcode.SETXATTR) throw new Error('not decoded');
  t.equal(decoded.body.name, 'user.a');
  t.equal(Buffer.from(decoded.body.value).toString(), 'value');
  t.equal(decoded.body.flags, 2);
  t.equal(decoded.body.extFlags, 0);
  t.end();
});

t.test('INIT of a kernel that knows fewer fields', (t) => {
  const decoded = one(request(Opcode.INIT, build.initOld(7, 31, 4096, 5)));
  t.match(decoded, { malformed: false, body: { major: 7, minor: 31, maxReadahead: 4096, flags: 5, flags2: 0 } });
  t.end();
});

t.test('extensions', (t) => {
  const creating: [number, Bytes][] = [
    [Opcode.CREATE, build.create(0, 0o644, 0, 0, 'a')],
    [Opcode.TMPFILE, build.create(0, 0o644, 0, 0, '/')],
    [Opcode.MKDIR, build.mkdir(0o755, 0, 'ab')],
    [Opcode.MKNOD, build.mknod(0o644, 0, 0, 'abc')],
    [Opcode.SYMLINK, build.names('a', 'target')],
  ];
  for (const [opcode, body] of creating) {
    const label = opcodeName(opcode);
    const groups = one(request(opcode, body, {}, groupExtension(1234)));
    t.match(groups, { malformed: false, body: { suppGroup: 1234 } }, label);
    const both = securityExtension('security.selinux', 'a:b:c').raw(groupExtension(77, 78).done());
    t.match(
      one(request(opcode, body, {}, both)),
      { malformed: false, body: { suppGroup: 77 } },
      `${label} after secctx`,
    );
    const secctx = one(request(opcode, body, {}, securityExtension('security.selinux', 'context')));
    t.match(secctx, { malformed: false }, `${label} with secctx only`);
    t.notOk(secctx?.malformed === false && 'suppGroup' in secctx.body && secctx.body.suppGroup !== undefined);
  }
  t.end();
});

t.test('extensions that contradict themselves', (t) => {
  const body = build.mkdir(0o755, 0, 'a');
  const huge = build.empty().u32(0xffff_fff0, 32);
  const tiny = build.empty().u32(4, 32);
  const bare = build.empty().u32(8, 31);
  const none = build.empty().u32(16, 32, 0, 0);
  const lying = Buffer.from(request(Opcode.MKDIR, body));
  lying.writeUInt16LE(2000, 36);
  t.match(one(request(Opcode.MKDIR, body, {}, huge)), { malformed: true, errno: errno.EINVAL });
  t.match(one(request(Opcode.MKDIR, body, {}, tiny)), { malformed: true, errno: errno.EINVAL });
  t.match(one(request(Opcode.MKDIR, body, {}, none)), { malformed: false, body: { suppGroup: undefined } });
  t.match(one(request(Opcode.MKDIR, body, {}, bare)), { malformed: false }, 'a header alone');
  t.match(one(lying), { malformed: true, errno: errno.EINVAL }, 'longer than the request');
  t.end();
});

t.test('which opcodes are answered', (t) => {
  const silent = Object.values(Opcode).filter((opcode) => !expectsReply(opcode));
  t.strictSame(silent, [Opcode.FORGET, Opcode.INTERRUPT, Opcode.NOTIFY_REPLY, Opcode.BATCH_FORGET]);
  t.end();
});

t.test('one buffer is read over and over', (t) => {
  const buffer = Buffer.alloc(8192);
  const first = request(Opcode.LOOKUP, build.names('first'));
  const second = request(Opcode.LOOKUP, build.names('2nd'));
  first.copy(buffer);
  t.match(decode(buffer, first.byteLength), { body: { name: 'first' } });
  second.copy(buffer);
  t.match(decode(buffer, second.byteLength), { body: { name: '2nd' } });
  t.end();
});
