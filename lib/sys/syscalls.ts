// The calls of lib/sys/calls.ts as the addon makes them.

import { addon } from './binding.js';
import type { Jobs, Syscalls } from './calls.js';

export type { DirScan, FsStat, HostHandle, Jobs, SingleCalls, Syscalls } from './calls.js';

/** The real calls. */
export const syscalls: Syscalls = addon.syscalls;
export const jobs: Jobs = addon.jobs;
