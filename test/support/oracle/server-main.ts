// A process that mounts and unmounts as it is told over its IPC channel, one mount after the other,
// and says of each what it left behind. Started by server-process.ts only.

import { assertionFailures } from '../../../lib/assert.js';
import { setSink } from '../../../lib/log.js';
import { type Mounted, mountUnion } from '../../../lib/mounted.js';
import { liveFds } from '../../../lib/sys/fd.js';
import { applyList, defaultOptions, refuseUnknown } from '../../../lib/union/options.js';
import { eventually } from '../expect.js';

export type Order = { readonly mount: string; readonly options: string } | { readonly unmount: true };

/** Complaints are whatever should not be: leaks, failed assertions, errors in the log. */
export interface Report {
  readonly complaints: readonly string[];
}

let mounted: Mounted | undefined;
let errors: string[] = [];
let failed = 0;
setSink((line) => {
  if (line.includes(': error:')) errors.push(line);
});

async function mount(mountpoint: string, list: string): Promise<string[]> {
  const options = defaultOptions();
  applyList(options, list, refuseUnknown);
  mounted = await mountUnion(options, mountpoint);
  return [];
}

/** The kernel sends the last releases a moment after the last close. */
async function settled(m: Mounted): Promise<string[]> {
  const left = (): number => {
    const { handles, backingIds, attached } = m.stats();
    return handles + backingIds + attached;
  };
  return (await eventually(() => left() === 0, 3000, 1)) ? [] : [`left open: ${JSON.stringify(m.stats())}`];
}

async function unmount(): Promise<string[]> {
  const m = mounted;
  mounted = undefined;
  if (m === undefined) return ['nothing is mounted'];
  const complaints = await settled(m);
  m.unmount();
  await m.ended;
  if (liveFds() !== 0) complaints.push(`${liveFds()} descriptors are left`);
  if (assertionFailures() > failed) complaints.push(`${assertionFailures() - failed} assertions failed`);
  failed = assertionFailures();
  complaints.push(...errors);
  errors = [];
  return complaints;
}

process.on('message', (order: Order) => {
  const done = 'mount' in order ? mount(order.mount, order.options) : unmount();
  const send = (complaints: string[]): void => {
    process.send?.({ complaints } satisfies Report);
  };
  done.then(send, (error: unknown) => send([String(error)]));
});
process.on('disconnect', () => process.exit(0));
