// flock and fcntl locks between processes.

import { eventually, fails, is, ok, yes } from '../../support/expect.js';
import { F, F_OFD_SETLK, LOCK, O } from '../../support/linux.js';
import type { Family } from './case.js';

export const locks: Family = {
  'flock excludes another process': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDONLY)), await ok(b.open('file', O.RDONLY))];
    await ok(a.flock(mine, LOCK.EX | LOCK.NB));
    await fails(b.flock(theirs, LOCK.SH | LOCK.NB), 'EAGAIN', 'EWOULDBLOCK');
    await ok(a.flock(mine, LOCK.UN));
    await ok(b.flock(theirs, LOCK.EX | LOCK.NB));
  },
  'flock is shared by readers': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDONLY)), await ok(b.open('file', O.RDONLY))];
    await ok(a.flock(mine, LOCK.SH | LOCK.NB));
    await ok(b.flock(theirs, LOCK.SH | LOCK.NB));
    await fails(b.flock(theirs, LOCK.EX | LOCK.NB), 'EAGAIN', 'EWOULDBLOCK');
  },
  'flock goes with the last close': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDWR)), await ok(b.open('file', O.RDWR))];
    await ok(a.flock(mine, LOCK.EX));
    await ok(a.close(mine));
    yes(await eventually(async () => (await b.flock(theirs, LOCK.EX | LOCK.NB)) === 0), 'free after the close');
  },
  'a blocking flock waits for the other': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDWR)), await ok(b.open('file', O.RDWR))];
    await ok(a.flock(mine, LOCK.EX));
    let got = false;
    const waiting = b.flock(theirs, LOCK.EX).then((result) => {
      got = result === 0;
    });
    await a.stat('file');
    yes(!got, 'it waits');
    await ok(a.flock(mine, LOCK.UN));
    await waiting;
    yes(got, 'it goes on');
  },
  'a flock from before the first write still excludes': async ({ a, client }) => {
    const b = await client();
    const mine = await ok(a.open('file', O.RDONLY));
    await ok(a.flock(mine, LOCK.EX | LOCK.NB));
    const theirs = await ok(b.open('file', O.RDWR));
    await is(b.write(theirs, 'x'), 1);
    await fails(b.flock(theirs, LOCK.EX | LOCK.NB), 'EAGAIN', 'EWOULDBLOCK');
  },
  'fcntl locks exclude by range': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDWR)), await ok(b.open('file', O.RDWR))];
    await is(a.lock(mine, F.SETLK, F.WRLCK, 0, 5), 0);
    const refused = await b.lock(theirs, F.SETLK, F.WRLCK, 4, 2);
    yes(refused === -11 || refused === -13, `refused, not ${refused}`);
    await is(b.lock(theirs, F.SETLK, F.WRLCK, 5, 5), 0);
  },
  'F_GETLK names the holder': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDWR)), await ok(b.open('file', O.RDWR))];
    await is(a.lock(mine, F.SETLK, F.WRLCK, 0, 0), 0);
    await is(await b.lock(theirs, F.GETLK, F.WRLCK, 0, 1), [F.WRLCK, await a.pid()]);
    await is(a.lock(mine, F.SETLK, F.UNLCK, 0, 0), 0);
    await is(((await b.lock(theirs, F.GETLK, F.WRLCK, 0, 1)) as number[])[0], F.UNLCK);
  },
  'fcntl locks go when any descriptor closes': async ({ a, client }) => {
    const b = await client();
    const [mine, second] = [await ok(a.open('file', O.RDWR)), await ok(a.open('file', O.RDWR))];
    const theirs = await ok(b.open('file', O.RDWR));
    await is(a.lock(mine, F.SETLK, F.WRLCK, 0, 0), 0);
    await ok(a.close(second));
    yes(await eventually(async () => (await b.lock(theirs, F.SETLK, F.WRLCK, 0, 0)) === 0), 'free');
  },
  'open file description locks exclude within a process': async ({ a }) => {
    const [one, two] = [await ok(a.open('file', O.RDWR)), await ok(a.open('file', O.RDWR))];
    await is(a.lock(one, F_OFD_SETLK, F.WRLCK, 0, 0), 0);
    const refused = await a.lock(two, F_OFD_SETLK, F.WRLCK, 0, 0);
    yes(refused === -11 || refused === -13, `refused, not ${refused}`);
  },
};
