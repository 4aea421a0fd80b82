// LOOKUPs of plain files, and FORGETs, answered by the addon on a real mount served by this process and used by others.

import { Buffer } from 'node:buffer';
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { DT_DIR } from '../../lib/sys/constants.js';
import { PUT } from '../../lib/sys/name-tables.js';
import { Stat } from '../../lib/sys/stat.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { eventually } from '../support/expect.js';
import { type Lower, NUMBER, servingLower } from './lower-rows.js';
import { op, run, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROWS = 2 ** 21;
const BATCH_FORGET = 42;
/** Of a row that leads to another one's node. */
const LED = 2 ** 31;

async function forgetAll(): Promise<void> {
  writeFileSync('/proc/sys/vm/drop_caches', '2');
}

function fill(path: string): void {
  for (const name of ['file', 'other', 'several']) writeFileSync(join(path, name), 'content');
  linkSync(join(path, 'several'), join(path, 'link'));
  symlinkSync('file', join(path, 'symlink'));
  mkdirSync(join(path, 'directory'));
  writeFileSync(join(path, 'holes'), '');
  truncateSync(join(path, 'holes'), 1 << 20);
}

const withLower = (body: (server: TinyServer, lower: Lower) => Promise<void>): Promise<string[]> =>
  servingLower(fill, body);

test('plain files and directories are found without JavaScript, others are not', { skip }, async (t) => {
  const left = await withLower(async (server, lower) => {
    lower.serve(server, Number.POSITIVE_INFINITY);
    const format = '%i %s %b %a %F %h %u %g %x %y %z';
    const stat = async (path: string) => (await run('stat', '-c', format, path)).out;
    for (const name of ['file', 'symlink', 'directory']) {
      const shown = await stat(join(server.mountpoint, name));
      t.equal(shown, await stat(join(lower.path, name)), name);
      t.equal(lower.toldOf(name), 1);
    }
    t.equal(server.count(op.LOOKUP), 0);
    t.match(server.channel.counters(), { found: 3 });
    for (const name of ['several', 'holes', 'absent']) await run('stat', join(server.mountpoint, name));
    t.equal(server.count(op.LOOKUP), 3);
    lower.packed.takeAt(lower.packed.find('other'));
    await run('stat', join(server.mountpoint, 'other'));
    t.equal(server.count(op.LOOKUP), 4, 'a row that was taken');
    t.equal(lower.told.at(-1), 3);
    t.match(server.channel.counters(), { found: 3, replyErrors: 0 });
    server.channel.endRows(1);
    await forgetAll();
    await run('stat', join(server.mountpoint, 'file'));
    t.equal(server.count(op.LOOKUP), 5, 'that has ended');
  });
  t.same(left, []);
});

test('what the kernel forgets is counted, and the last one told', { skip }, async (t) => {
  await withLower(async (server, lower) => {
    lower.serve(server, Number.POSITIVE_INFINITY);
    const told = () => server.count(op.FORGET) + server.count(BATCH_FORGET);
    const names = ['file', 'other', 'symlink'].map((name) => join(server.mountpoint, name));
    for (let round = 1; round < 4; round += 1) {
      await run('stat', ...names);
      t.equal(lower.told.at(-1), 3);
      await forgetAll();
      t.ok(await eventually(() => lower.told.at(-1) === 0 && told() === round), `round ${round}`);
      t.ok(lower.told.every((count) => count === 0));
    }
    // One that JavaScript took over.
    await run('stat', ...names);
    lower.told[lower.packed.find('other')] = 0;
    lower.told[lower.told.length - 1] = 2;
    await forgetAll();
    t.ok(await eventually(() => lower.told.at(-1) === 0 && told() > 3), 'its FORGET is not lost');
    t.ok(lower.told.every((count) => count === 0));
  });
});

test('the kernel asks again when it may trust an answer no longer', { skip }, async (t) => {
  await withLower(async (server, lower) => {
    lower.serve(server, 0.01);
    for (let i = 1; i < 4; i += 1) {
      await run('stat', join(server.mountpoint, 'file'));
      t.ok(lower.toldOf('file') >= i);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    t.equal(lower.told.at(-1), 1);
    t.equal(server.count(op.LOOKUP), 0);
    server.channel.dropRows(NUMBER);
    await run('stat', join(server.mountpoint, 'file'));
    t.ok(server.count(op.LOOKUP) > 0);
  });
});

test('rows are listed with their attributes, up to one that is not plain', { skip }, async (t) => {
  await withLower(async (server, lower) => {
    const { packed } = lower;
    lower.serve(server, 1);
    const into = new Uint8Array(4096).fill(0xff);
    const cells = new Uint32Array(PUT.cells);
    let at = 0;
    let row = 0;
    const names: string[] = [];
    for (; row < packed.count; row += 1) {
      cells.set([at, into.length - at, row, packed.count, 0, 128]);
      server.channel.putRows(1, into, cells);
      for (; row < (cells[PUT.from] as number); row += 1) names.push(packed.nameAt(row));
      at = cells[PUT.at] as number;
    }
    t.same(names.sort(), ['directory', 'file', 'other', 'symlink']);
    t.equal(lower.told.at(-1), 4);
    const view = new DataView(into.buffer);
    for (let record = 0; record < at; ) {
      const length = view.getUint32(record + 144, true);
      const name = Buffer.from(into.buffer, record + 152, length).toString();
      const found = packed.find(name);
      t.equal(view.getBigUint64(record, true), BigInt(NUMBER * ROWS + found), name);
      t.equal(view.getBigUint64(record + 16, true), 1n, 'valid');
      t.equal(view.getBigUint64(record + 40, true), view.getBigUint64(record + 128, true), 'both inode numbers');
      t.equal(Number(view.getBigUint64(record + 136, true)), packed.cookies[found]);
      record += (152 + length + 7) & ~7;
      t.ok(
        into.subarray(record - ((8 - (length % 8)) % 8), record).every((byte) => byte === 0),
        'padded',
      );
    }
    const rest = packed.count - packed.find('directory');
    cells.set([0, into.length, packed.find('directory'), packed.count, ~(1 << DT_DIR), 128]);
    t.equal(server.channel.putRows(1, into, cells), rest, 'files without attributes, plain or not');
    t.equal(view.getBigUint64(0, true), BigInt(NUMBER * ROWS + packed.find('directory')));
    t.equal(lower.toldOf('directory'), 2);
    t.equal(lower.told.at(-1), 4);
    cells.set([0, 100, 0, packed.count, 0, 128]);
    t.equal(server.channel.putRows(1, into, cells), 0, 'no room');
    t.equal(server.channel.putRows(7, into, cells), 0, 'a directory that nobody told of');
  });
});

/** Stat.identity() of a name. */
function identityOf(lower: Lower, name: string): string {
  const stat = new Stat();
  sys.statAt(lower.fd, name, stat);
  return stat.identity();
}

test('all names of a file with several links are one node, once that is allowed', { skip }, async (t) => {
  const left = await withLower(async (server, lower) => {
    const { channel } = server;
    lower.serve(server, Number.POSITIVE_INFINITY);
    channel.allowLinks(true);
    const idOf = (name: string): number => NUMBER * ROWS + lower.packed.find(name);
    const identity = identityOf(lower, 'several');
    const [several, link] = ['several', 'link'].map((name) => join(server.mountpoint, name)) as [string, string];
    for (let round = 0; round < 3; round += 1) {
      t.equal(channel.linkedNode(identity), 0);
      await run('stat', link, several, link);
      t.same([lower.toldOf('link'), lower.toldOf('several'), lower.told.at(-1)], [2, LED, 2]);
      t.equal(channel.linkedNode(identity), idOf('link'));
      t.equal(channel.ledTo(idOf('several')), idOf('link'));
      t.equal(channel.ledTo(idOf('link')), 0);
      t.equal((await run('test', link, '-ef', several)).code, 0);
      await forgetAll();
      t.ok(await eventually(() => lower.told.every((count) => count === 0)), 'all of it is forgotten');
    }
    t.equal(server.count(op.LOOKUP), 0);
    await run('stat', several, link);
    t.same([lower.toldOf('several'), lower.toldOf('link')], [2, LED]);
    t.equal(channel.takeLinks(idOf('link')), null);
    const taken = channel.takeLinks(idOf('several'));
    t.same([taken?.identity, [...(taken?.names ?? [])]], [identity, [idOf('link')]]);
    t.equal(channel.takeLinks(idOf('several')), null, 'once');
    t.equal(channel.linkedNode(identity), 0);
    t.equal(channel.ledTo(idOf('link')), 0);
  });
  t.same(left, []);
});

test('but not of one that JavaScript has an object of, and none is found while that is not allowed', {
  skip,
}, async (t) => {
  await withLower(async (server, lower) => {
    const { channel } = server;
    lower.serve(server, Number.POSITIVE_INFINITY);
    channel.allowLinks(true);
    const identity = identityOf(lower, 'several');
    const [several, link] = ['several', 'link'].map((name) => join(server.mountpoint, name)) as [string, string];
    channel.ownLinks(identity, true);
    await run('stat', several);
    t.equal(server.count(op.LOOKUP), 1);
    channel.ownLinks(identity, false);
    await run('stat', several);
    t.equal(server.count(op.LOOKUP), 1);
    channel.ownLinks(identity, true);
    t.not(channel.linkedNode(identity), 0, 'one that is a row stays one');
    channel.allowLinks(false);
    await run('stat', link);
    t.equal(server.count(op.LOOKUP), 1, 'and its names are still found');
    await forgetAll();
    t.ok(await eventually(() => lower.told.at(-1) === 0));
    await run('stat', link);
    t.equal(server.count(op.LOOKUP), 2);
  });
});

test('what is no table is refused', { skip }, async (t) => {
  await withLower(async (server, lower) => {
    const { channel } = server;
    const { more } = lower.packed;
    const serve = (table: unknown, told: unknown, fds: unknown) =>
      channel.serveRows(1, NUMBER, table as ArrayBuffer, told as Uint32Array, more, fds as Int32Array, 1, 0, 1, 0);
    const fds = Int32Array.of(lower.fd);
    t.throws(() => serve(new Uint8Array(100), lower.told, fds), TypeError);
    t.throws(() => serve(lower.packed.table, new Uint32Array(0), fds), TypeError);
    t.throws(() => serve(lower.packed.table, new Uint32Array(1000), fds), TypeError);
    t.throws(() => serve(lower.packed.table, lower.told, [lower.fd]), TypeError);
    t.throws(() => channel.putRows(1, new Uint8Array(8), Uint32Array.of(0, 9, 0, 1, 0, 128)), TypeError);
  });
});
