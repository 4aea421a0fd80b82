// The pipe to whoever asks: requests come in one at a time, replies go out. The native one is
// /dev/fuse; tests have one of their own.

import type { NativeChannel } from '../sys/binding.js';

export type Channel = Pick<
  NativeChannel,
  | ('start' | 'stop' | 'requestBuffer' | 'replyBuffer' | 'reply' | 'write' | 'counters')
  | ('ioctls' | 'tell' | 'negatives' | 'log' | 'open' | 'change' | 'enterRows')
>;
