// When listings carry attributes: always at first, not for those who never ask, again for those who do.

import t from 'tap';
import { addon, type NativeChannel } from '../../lib/sys/binding.js';
import { O_RDWR } from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';

const fd = sys.openPath('/dev/null', O_RDWR);
t.teardown(() => sys.close(fd));
const newHabit = (): NativeChannel => addon.openChannel(fd, 4096, false);
let lastDirectory = 0;

/** Lists `count` directories of `names` names; `ask`: and asks for as many files of each that came bare. */
function walk(habit: NativeChannel, count: number, names: number, ask = 0): string {
  let shown = '';
  for (let at = 0; at < count; at += 1) {
    const dir = ++lastDirectory;
    const filled = habit.beginListing(dir, names);
    shown += filled ? 'f' : '.';
    if (!filled) for (let file = 0; file < ask; file += 1) habit.askedIn(dir);
  }
  return shown;
}

void t.test('who only lists gets bare listings from the third directory on', async (t) => {
  t.equal(walk(newHabit(), 10, 50), 'f.........');
});

void t.test('who asks gets one listing bare, and again only now and then', async (t) => {
  t.equal(walk(newHabit(), 66, 50, 50), `f.${'f'.repeat(63)}.`);
});

void t.test('small directories are never tried', async (t) => {
  t.equal(walk(newHabit(), 200, 7), 'f'.repeat(200));
});

void t.test('a habit changes', async (t) => {
  const habit = newHabit();
  t.equal(walk(habit, 3, 50), 'f..');
  t.equal(walk(habit, 3, 50, 50), '.ff', 'after one directory that was asked about');
  t.equal(walk(habit, 62, 50), `${'f'.repeat(59)}...`, 'nobody asked about the next try');
});

void t.test('few questions in each of many directories add up', async (t) => {
  const habit = newHabit();
  walk(habit, 3, 50);
  t.equal(walk(habit, 4, 50, 3), '..ff');
});

void t.test('a listing goes on as it began, and questions about filled ones count for nothing', async (t) => {
  const habit = newHabit();
  const [first, second] = [++lastDirectory, ++lastDirectory];
  t.ok(habit.beginListing(first, 50));
  t.notOk(habit.beginListing(second, 50));
  t.ok(habit.fillsListing(first));
  t.notOk(habit.fillsListing(second));
  for (let count = 0; count < 10; count += 1) habit.askedIn(first);
  t.notOk(habit.beginListing(++lastDirectory, 50), 'the try failed');
});
