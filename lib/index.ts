// Public face: re-exports only.

export { ErrnoError, errno, errnoName } from './errno.js';
