// One stream for several readers: all of it for each, nobody far ahead, and one failure for all.

import t from 'tap';
import { type Reader, share } from '../../lib/image/share.js';

async function* numbers(count: number, seen: number[] = []): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < count; at += 1) {
    seen.push(at);
    yield Uint8Array.of(at);
  }
}

const into =
  (list: number[]): Reader =>
  async (branch) => {
    for await (const chunk of branch) list.push(chunk[0] as number);
  };

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('each reads all of it, in order', async (t) => {
  const [one, two]: [number[], number[]] = [[], []];
  await share(numbers(100), [into(one), into(two)]);
  t.same(
    one,
    Array.from({ length: 100 }, (_, at) => at),
  );
  t.same(two, one);
  await share(numbers(0), [into(one)]);
  t.equal(one.length, 100);
});

t.test('whoever is slow holds the others back', async (t) => {
  const fast: number[] = [];
  const seen: number[] = [];
  let most = 0;
  await share(numbers(50, seen), [
    into(fast),
    async (branch) => {
      let read = 0;
      for await (const _chunk of branch) {
        read += 1;
        for (let wait = 0; wait < 5; wait += 1) await tick();
        most = Math.max(most, fast.length - read, seen.length - read);
      }
    },
  ]);
  t.ok(most <= 8, `${most} ahead`);
});

t.test('a reader that fails ends the stream and the others', async (t) => {
  let ended = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Uint8Array.of(1);
    } finally {
      ended = true;
    }
  }
  const failing: Reader = async (branch) => {
    for await (const _chunk of branch) throw new Error('no room');
  };
  let other: unknown;
  const reading: Reader = async (branch) => {
    try {
      for await (const _chunk of branch);
    } catch (error) {
      other = error;
      throw error;
    }
  };
  await t.rejects(share(endless(), [reading, failing]), /no room/);
  t.match(other, { message: 'no room' });
  t.equal(ended, true);
});

t.test('a stream that fails is what every reader hears of', async (t) => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new Error('cut off');
  }
  const list: number[] = [];
  await t.rejects(share(failing(), [into(list), into([])]), /cut off/);
});

t.test('a reader that has enough keeps nobody waiting', async (t) => {
  const all: number[] = [];
  const one: Reader = async (branch) => {
    for await (const _chunk of branch) break;
  };
  await share(numbers(60), [one, into(all)]);
  t.equal(all.length, 60);
});
