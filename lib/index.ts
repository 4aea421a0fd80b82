// Public face: re-exports only.

export { ErrnoError, errno, errnoName } from './errno.js';
export { type Mounted, type MountStats, mountUnion } from './mounted.js';
export { MountError } from './union/layers.js';
export { applyList, defaultOptions, type MountOptions } from './union/options.js';
