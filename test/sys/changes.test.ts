// Names made and removed by the addon on a real mount served by this process and used by others: what it takes, what it leaves
// to JavaScript, and what it writes down.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { DirIndex, type DirNode } from '../../lib/union/inode.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { Negatives } from '../../lib/union/negatives.js';
import { eventually } from '../support/expect.js';
import { type ChangeRecord, ChangeRecords, MADE, OPENED, TAKEN } from './change-records.js';
import { op, run, served, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROOT = 1;
const CREATE = 35;
const MKDIR = 9;
const SYMLINK = 6;
const UNLINK = 10;

/** A server whose one directory is the host's `made`, which lacks all names. */
class Server extends ChangeRecords {
  readonly directory: string;
  readonly fd: number;

  constructor(
    readonly tiny: TinyServer,
    readonly negatives: Negatives,
    room = 8,
  ) {
    super(room);
    this.directory = join(tiny.temp.dir, 'made');
    mkdirSync(this.directory);
    this.fd = sys.openPath(this.directory, c.O_RDONLY | c.O_DIRECTORY);
    const { directories, filter, vacant } = negatives;
    negatives.learn({ id: ROOT, index: new DirIndex() } as DirNode);
    tiny.channel.tell(new Float64Array(16));
    tiny.channel.negatives(directories, filter, vacant, 0);
    // What is made the kernel does not ask for again.
    tiny.channel.log(this.records, this.names);
    tiny.channel.change(0, 0, 200, false, true, 0, Number.POSITIVE_INFINITY);
    // ENOSYS would mean: never again.
    tiny.hook = (opcode) => ([CREATE, MKDIR, SYMLINK, UNLINK].includes(opcode) ? errno.EACCES : 0);
    this.mirror(true);
  }

  mirror(openToChange: boolean): void {
    this.tiny.channel.mirrorDirectory(ROOT, this.fd, ROOT, 0, 0, 0, openToChange);
  }

  path(name: string): string {
    return join(this.tiny.mountpoint, name);
  }
}

async function serving(body: (server: Server, tiny: TinyServer) => Promise<void>, room?: number): Promise<string[]> {
  const { hash } = await InodeNumbers.create(sys, []);
  return served(async (tiny) => {
    const server = new Server(tiny, new Negatives(hash), room);
    try {
      await body(server, tiny);
    } finally {
      sys.close(server.fd);
    }
  });
}

test('files, directories and symlinks are made and written down', { skip }, async (t) => {
  const left = await serving(async (server, tiny) => {
    const script = 'umask 027; : >"$1/file"; mkdir "$1/dir"; ln -s "to/where" "$1/link"';
    t.equal((await run('sh', '-c', script, 'sh', tiny.mountpoint)).code, 0);
    for (const opcode of [CREATE, MKDIR, SYMLINK]) t.equal(tiny.count(opcode), 0);
    t.match(tiny.channel.counters(), { created: 3, removed: 0, backings: 0 });
    t.equal(lstatSync(join(server.directory, 'file')).mode, 0o100640);
    t.equal(lstatSync(join(server.directory, 'dir')).mode, 0o040750);
    t.equal(readlinkSync(join(server.directory, 'link')), 'to/where');
    const made = server.take();
    t.same(
      made.map(({ kind, dir, name, format }) => ({ kind, dir, name, format })),
      [
        { kind: MADE, dir: ROOT, name: 'file', format: c.S_IFREG },
        { kind: MADE, dir: ROOT, name: 'dir', format: c.S_IFDIR },
        { kind: MADE, dir: ROOT, name: 'link', format: c.S_IFLNK },
      ],
    );
    t.equal(new Set(made.map(({ nodeid }) => nodeid)).size, 3);
    t.ok(made.every(({ nodeid }) => nodeid >= 2 ** 40 && nodeid < 2 ** 41));
    t.equal(made[0]?.fh, 0, 'it was closed before anybody read of it');
    t.equal(tiny.channel.counters().attached, 0);
  });
  t.same(left, []);
});

test('a file that is still open has a handle, which JavaScript ends once it knows', { skip }, async (t) => {
  const left = await serving(async (server, tiny) => {
    const writer = spawn('sh', ['-c', `exec 3>${server.path('open')}; echo; read line`]);
    await once(writer.stdout, 'data');
    const [made] = server.take();
    t.ok(made !== undefined && made.fh > 0 && made.fd > 0);
    t.match(tiny.channel.counters(), { attached: 1, mirrors: 2 });
    writer.stdin.end();
    await once(writer, 'exit');
    t.ok(await eventually(() => tiny.channel.counters().attached === 0));
    t.equal(tiny.count(op.RELEASE), 0);
  });
  t.same(left, []);
});

test('a file is opened for reading once it is closed, and by others while JavaScript knows them', {
  skip,
}, async (t) => {
  const left = await serving(async (server, tiny) => {
    const names = { closed: server.path('closed'), held: server.path('held') };
    tiny.channel.open(0, false, true, 0x8000);
    t.equal((await run('sh', '-c', ': >"$1"; : <"$1"', 'sh', names.closed)).code, 0);
    t.match(tiny.channel.counters(), { created: 1, opened: 1, stood: 0 });
    const [made, opened] = server.take();
    t.match(opened, { kind: OPENED, nodeid: made?.nodeid });
    t.ok(tiny.channel.withdraw(opened?.fh as number), 'nobody has it open');
    tiny.channel.detach(opened?.fh as number);
    // What was opened since it was made is JavaScript's: it may have it open in another way.
    await run('sh', '-c', ': <"$1"', 'sh', names.closed);
    t.equal(tiny.count(op.OPEN), 1);
    await run('sh', '-c', 'exec 3>"$1"; : <"$1"', 'sh', names.held);
    t.equal(tiny.count(op.OPEN), 2, 'who made it has it open');
    t.match(tiny.channel.counters(), { created: 2, opened: 1 });
  });
  t.same(left, []);
});

test('what needs another user, privileges or a decision is JavaScript’s', { skip }, async (t) => {
  const asUser = ['--reuid=1000', '--regid=1000', '--clear-groups', 'touch'];
  const deeds: Readonly<{ [name: string]: (server: Server) => Promise<unknown> }> = {
    'another user': (s) => {
      sys.chmodAt(s.fd, '', 0o777);
      return run('setpriv', ...asUser, s.path('x'));
    },
    'a mode with setuid': (s) =>
      run('python3', '-c', `import os; os.open(${JSON.stringify(s.path('x'))}, os.O_CREAT | os.O_EXCL, 0o4755)`),
    'a name that layers use': (s) => run('touch', s.path('.wh.x')),
    'a long name': (s) => run('touch', s.path('n'.repeat(201))),
    'a name that may be there': (s) => {
      s.negatives.note({ salt: 1 } as DirIndex, 'x');
      return run('touch', s.path('x'));
    },
    'a name that is there': (s) => {
      writeFileSync(join(s.directory, 'x'), '');
      return run('touch', s.path('x'));
    },
    'a protected directory': (s) => {
      s.mirror(false);
      return run('touch', s.path('x'));
    },
    'a directory that is no mirror': (s) => {
      s.tiny.channel.unmirror(ROOT);
      return run('touch', s.path('x'));
    },
  };
  for (const [name, deed] of Object.entries(deeds)) {
    const left = await serving(async (server, tiny) => {
      await deed(server);
      t.equal(tiny.count(CREATE), 1, name);
      t.same(server.take(), [], name);
      t.match(tiny.channel.counters(), { created: 0 }, name);
    });
    t.same(left, [], name);
  }
});

test('the name that was missed last may be made though the filter has its bit', { skip }, async (t) => {
  await serving(async (server, tiny) => {
    const { negatives } = server;
    const index = { salt: 1 } as DirIndex;
    negatives.note(index, 'x');
    negatives.note(index, 'y');
    negatives.miss({ id: ROOT, index: Object.assign(new DirIndex(), index) } as DirNode, 'x');
    await run('touch', server.path('y'));
    t.equal(tiny.count(CREATE), 1, 'that is another name');
    await run('touch', server.path('x'));
    t.equal(tiny.count(CREATE), 1);
    t.equal(negatives.vacant[0], 0, 'a name came');
    t.same(
      server.take().map(({ name }) => name),
      ['x'],
    );
  });
});

test('files that were made are removed, and their FORGET is written down too', { skip }, async (t) => {
  const left = await serving(async (server, tiny) => {
    await run('touch', server.path('a'), server.path('b'));
    const [a, b] = server.take() as [ChangeRecord, ChangeRecord];
    const holder = spawn('sh', ['-c', `exec 3<${server.path('b')}; echo; read line`]);
    await once(holder.stdout, 'data');
    t.equal((await run('rm', server.path('a'), server.path('b'))).code, 0);
    t.equal(tiny.count(UNLINK), 0);
    t.notOk(existsSync(join(server.directory, 'a')));
    t.notOk(existsSync(join(server.directory, 'b')));
    t.ok(await eventually(() => server.records[1 + 11] !== 0), 'a was forgotten');
    const [first, second] = server.take() as [ChangeRecord, ChangeRecord];
    t.match(first, { kind: TAKEN, nodeid: a.nodeid, name: 'a', fd: -1, forgotten: 1 });
    t.match(second, { kind: TAKEN, nodeid: b.nodeid, name: 'b', forgotten: 0 });
    t.ok(second.fd > 0, 'somebody has it open');
    sys.close(second.fd);
    holder.stdin.end();
    await once(holder, 'exit');
    t.ok(await eventually(() => tiny.count(op.FORGET) > 0), 'this one is for JavaScript to hear');
    t.match(tiny.channel.counters(), { created: 2, removed: 2 });
  });
  t.same(left, []);
});

test('whatever may be another file by now is JavaScript’s to remove', { skip }, async (t) => {
  const deeds: Readonly<{ [name: string]: (server: Server) => Promise<unknown> }> = {
    'another link': async (s) => sys.linkAt(s.fd, 'x', s.fd, 'y'),
    'another file': async (s) => {
      unlinkSync(join(s.directory, 'x'));
      mkdirSync(join(s.directory, 'x'));
      rmdirSync(join(s.directory, 'x'));
      writeFileSync(join(s.directory, 'other'), '');
      writeFileSync(join(s.directory, 'x'), '');
    },
    nothing: async (s) => unlinkSync(join(s.directory, 'x')),
    'a rename': (s) => run('mv', '-n', s.path('x'), s.path('y')),
    'an xattr': (s) => run('setfattr', '-n', 'user.x', '-v', 'y', s.path('x')),
    'an open for writing': (s) => run('sh', '-c', `: >>${s.path('x')}`),
    'all is unmirrored': async (s) => {
      s.tiny.channel.unmirror(0);
      s.mirror(true);
    },
  };
  for (const [name, deed] of Object.entries(deeds)) {
    const left = await serving(async (server, tiny) => {
      await run('touch', server.path('x'));
      server.take();
      await deed(server);
      await run('rm', '-f', server.path('x'));
      t.equal(tiny.count(UNLINK), 1, name);
      t.same(server.take(), [], name);
    });
    t.same(left, [], name);
  }
});

test('attributes of a file that was made and closed', { skip }, async (t) => {
  const left = await serving(async (server, tiny) => {
    const path = server.path('x');
    await run('touch', path);
    server.take();
    const asked = [op.GETATTR, op.SETATTR].map((opcode) => tiny.count(opcode));
    t.equal((await run('chmod', '600', path)).code, 0);
    t.equal((await run('chown', '3:4', path)).code, 0);
    t.equal((await run('touch', '-h', '-d', '@5', path)).code, 0);
    t.match((await run('find', path, '-printf', '%m %U %G %T@ %n')).out, /^600 3 4 5\.0+ 1$/);
    t.same(
      [op.GETATTR, op.SETATTR].map((opcode) => tiny.count(opcode)),
      asked,
    );
    await run('chmod', '4755', path);
    t.equal(tiny.count(op.SETATTR), (asked[1] as number) + 1, 'privileges are not for the addon to give');
  });
  t.same(left, []);
});

test('when there is no room JavaScript goes on', { skip }, async (t) => {
  const left = await serving(async (server, tiny) => {
    await run('touch', ...['a', 'b', 'c'].map((name) => server.path(name)));
    t.equal(tiny.count(CREATE), 1);
    t.same(
      server.take().map(({ name }) => name),
      ['a', 'b'],
    );
    await run('touch', server.path('d'));
    t.same(
      server.take().map(({ name }) => name),
      ['d'],
    );
  }, 2);
  t.same(left, []);
});

test('what is no place for records is refused', { skip }, async (t) => {
  await served(async ({ channel }) => {
    const names = new Uint8Array(1);
    t.throws(() => channel.log(new Float64Array(0), names), TypeError);
    t.throws(() => channel.log(names as never, names), TypeError);
    t.throws(() => channel.log(new Float64Array(1), null as never), TypeError);
    t.throws(() => channel.change('x' as never, 0, 255, false, false, 0, 0), TypeError);
    t.throws(() => channel.open(3, false, false, 0), TypeError);
    t.throws(() => channel.open(0, 1 as never, false, 0), TypeError);
    t.throws(() => channel.hide('x' as never, 'y'), TypeError);
  });
});
