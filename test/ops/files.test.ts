// Operations on open files, over the wire.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode } from '../../lib/wire/abi.js';
import { type Talk, talkTest } from '../support/fake-channel.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { device, file } from '../support/tree.js';
import { build } from '../support/wire-builder.js';

const layout = { lowers: [{ f: file('0123456789'), g: file('gggggggg'), dev: device(1, 3) }] };

async function node(talk: Talk, name: string): Promise<bigint> {
  return (await talk.ask(Opcode.LOOKUP, build.names(name))).payload.entry().nodeid;
}

async function open(talk: Talk, name: string, flags: number): Promise<bigint> {
  return (await talk.ask(Opcode.OPEN, build.open(flags), { nodeid: await node(talk, name) })).payload.u64();
}

const code = async (talk: Talk, opcode: number, body: ReturnType<typeof build.empty>): Promise<number> =>
  (await talk.ask(opcode, body)).error;

talkTest(t, 'read and write', layout, async (t, talk) => {
  const fh = await open(talk, 'f', 2);
  const read = async (offset: number, size: number): Promise<string> => {
    const { payload } = await talk.ask(Opcode.READ, build.read(fh, offset, size));
    return payload.bytes(payload.left).toString('latin1');
  };
  t.equal(await read(2, 3), '234');
  t.equal(await read(8, 100), '89', 'short at the end');
  t.equal(await read(100, 10), '');
  const written = await talk.ask(Opcode.WRITE, build.write(fh, 1, Buffer.from('ABC')));
  t.equal(written.payload.u32(), 3);
  t.equal(await read(0, 5), '0ABC4');
  t.equal(await code(talk, Opcode.FLUSH, build.flush(fh)), 0);
  t.equal(await code(talk, Opcode.FSYNC, build.fsync(fh, 1)), 0);
  t.equal(await code(talk, Opcode.FALLOCATE, build.fallocate(fh, 0, 100, 0)), 0);
  t.equal((await talk.ask(Opcode.LSEEK, build.lseek(fh, 0, 2))).payload.u64(), 100n);
  t.equal(await code(talk, Opcode.RELEASE, build.release(fh, 0, 0)), 0);
  t.equal(await code(talk, Opcode.READ, build.read(fh, 0, 1)), -errno.EBADF);
});

for (const volatile of [false, true]) {
  const faulty = new FaultySyscalls();
  const quiet = { ...layout, sys: faulty.syscalls, jobs: faulty.jobs, options: { volatile } };
  talkTest(
    t,
    `fsync ${volatile ? 'of a volatile mount does nothing, and succeeds' : 'reaches the host'}`,
    quiet,
    async (t, talk) => {
      const fh = await open(talk, 'f', 2);
      faulty.arm(null);
      t.equal(await code(talk, Opcode.FSYNC, build.fsync(fh, 0)), 0);
      t.equal(await code(talk, Opcode.FSYNC, build.fsync(fh, 1)), 0);
      t.equal((await talk.ask(Opcode.FSYNCDIR, build.fsync(0, 0))).error, 0);
      t.equal(faulty.count('job.fsync'), volatile ? 0 : 3);
      t.equal(await code(talk, Opcode.RELEASE, build.release(fh, 0, 0)), 0);
    },
  );
}

talkTest(t, 'what a reader may not do', layout, async (t, talk) => {
  const fh = await open(talk, 'f', 0);
  t.equal(await code(talk, Opcode.FALLOCATE, build.fallocate(fh, 0, 10, 0)), -errno.EBADF);
  t.equal(await code(talk, Opcode.COPY_FILE_RANGE, build.copyFileRange(fh, 0, 1, fh, 0, 1, 0)), -errno.EBADF);
  t.equal(await code(talk, Opcode.FSYNC, build.fsync(fh, 0)), 0, 'a lower file is on disk');
  t.notOk(talk.w.file('f').inUpper);
  talk.send(Opcode.RELEASE, build.release(fh, 0, 0));
});

talkTest(t, 'copy_file_range, both answers', layout, async (t, talk) => {
  const [from, to] = [await open(talk, 'g', 0), await open(talk, 'f', 2)];
  const narrow = await talk.ask(Opcode.COPY_FILE_RANGE, build.copyFileRange(from, 0, 1, to, 0, 4, 0));
  t.equal(narrow.payload.u32(), 4);
  const wide = await talk.ask(Opcode.COPY_FILE_RANGE_64, build.copyFileRange(from, 0, 1, to, 4, 1 << 22, 0));
  t.equal(wide.payload.u64(), 8n, 'a large one, as a job, ends where the file does');
  t.equal(talk.w.read('f'), 'gggggggggggg');
  t.equal(await code(talk, Opcode.COPY_FILE_RANGE, build.copyFileRange(from, 0, 1, to, 0, 4, 1)), -errno.EINVAL);
  for (const fh of [from, to]) talk.send(Opcode.RELEASE, build.release(fh, 0, 0));
});

talkTest(t, 'what is no regular file', layout, async (t, talk) => {
  const nodeid = await node(talk, 'dev');
  t.equal((await talk.ask(Opcode.OPEN, build.open(0), { nodeid })).error, -errno.ENXIO);
  t.equal((await talk.ask(Opcode.OPEN, build.open(0))).error, -errno.EISDIR);
});
