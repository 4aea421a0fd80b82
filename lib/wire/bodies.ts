// The body of every request as a type, and which opcode has which.
// Owns field names; knows no bytes: parsers.ts reads what is declared here.

import type { Opcode, OpcodeValue } from './abi.js';

export type Empty = Record<string, never>;
export interface NameBody {
  readonly name: string;
}
export interface HandleBody {
  readonly fh: number;
}
export interface ForgetBody {
  readonly nlookup: number;
}
export interface GetattrBody extends HandleBody {
  /** GETATTR_FH says that `fh` counts. */
  readonly flags: number;
}
export interface SetattrBody {
  readonly valid: number;
  readonly fh: number;
  readonly size: number;
  readonly lockOwnerLow: number;
  readonly lockOwnerHigh: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly atimeNsec: number;
  readonly mtimeNsec: number;
  readonly ctimeNsec: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
/** What every creating request may carry: a group of the caller's that the kernel picked for us. */
export interface Creating {
  suppGroup: number | undefined;
}
export interface SymlinkBody extends Creating {
  readonly name: string;
  readonly target: string;
}
export interface MknodBody extends Creating {
  readonly name: string;
  readonly mode: number;
  readonly rdev: number;
  readonly umask: number;
}
export interface MkdirBody extends Creating {
  readonly name: string;
  readonly mode: number;
  readonly umask: number;
}
export interface RenameBody {
  readonly newDir: number;
  readonly flags: number;
  readonly name: string;
  readonly newName: string;
}
export interface LinkBody {
  readonly oldNodeid: number;
  readonly name: string;
}
export interface OpenBody {
  readonly flags: number;
  readonly openFlags: number;
}
export interface CreateBody extends Creating {
  readonly flags: number;
  readonly mode: number;
  readonly umask: number;
  readonly openFlags: number;
  readonly name: string;
}
export interface ReadBody extends HandleBody {
  readonly offset: number;
  readonly size: number;
  readonly readFlags: number;
  readonly flags: number;
}
export interface WriteBody extends HandleBody {
  readonly offset: number;
  readonly size: number;
  readonly writeFlags: number;
  readonly flags: number;
  /** Aliases the request buffer. */
  readonly data: Uint8Array;
}
export interface ReleaseBody extends HandleBody {
  readonly flags: number;
  readonly releaseFlags: number;
}
export interface FsyncBody extends HandleBody {
  readonly fsyncFlags: number;
}
export interface SetxattrBody {
  readonly name: string;
  /** Aliases the request buffer. */
  readonly value: Uint8Array;
  readonly flags: number;
  readonly extFlags: number;
}
export interface GetxattrBody {
  readonly name: string;
  readonly size: number;
}
export interface ListxattrBody {
  readonly size: number;
}
export interface InitBody {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly flags2: number;
}
export interface LockBody extends HandleBody {
  readonly ownerLow: number;
  readonly ownerHigh: number;
  /** Bytes, `end` inclusive; Number.MAX_SAFE_INTEGER stands for "to the end". */
  readonly start: number;
  readonly end: number;
  readonly type: number;
  readonly pid: number;
  readonly lockFlags: number;
}
export interface AccessBody {
  readonly mask: number;
}
export interface InterruptBody {
  readonly targetLow: number;
  readonly targetHigh: number;
}
export interface BmapBody {
  readonly block: number;
  readonly blockSize: number;
}
export interface IoctlBody extends HandleBody {
  readonly flags: number;
  readonly cmd: number;
  readonly arg: number;
  readonly inSize: number;
  readonly outSize: number;
  /** Aliases the request buffer. */
  readonly data: Uint8Array;
}
export interface PollBody extends HandleBody {
  readonly khLow: number;
  readonly khHigh: number;
  readonly flags: number;
  readonly events: number;
}
export interface NotifyReplyBody {
  readonly offset: number;
  readonly size: number;
  /** Aliases the request buffer. */
  readonly data: Uint8Array;
}
export interface BatchForgetBody {
  readonly items: readonly { readonly nodeid: number; readonly nlookup: number }[];
}
export interface FallocateBody extends HandleBody {
  readonly offset: number;
  /** Saturated: "punch to the end of everything" is a length near 2^63. */
  readonly length: number;
  readonly mode: number;
}
export interface LseekBody extends HandleBody {
  /** Signed, saturated. */
  readonly offset: number;
  readonly whence: number;
}
export interface CopyFileRangeBody {
  readonly fhIn: number;
  readonly offIn: number;
  readonly nodeidOut: number;
  readonly fhOut: number;
  readonly offOut: number;
  /** Saturated. */
  readonly length: number;
  readonly flags: number;
}
export interface SetupMappingBody extends HandleBody {
  readonly fileOffset: number;
  readonly length: number;
  readonly flags: number;
  readonly memoryOffset: number;
}
export interface RemoveMappingBody {
  readonly items: readonly { readonly memoryOffset: number; readonly length: number }[];
}
export interface StatxBody extends HandleBody {
  /** As in GETATTR. */
  readonly flags: number;
  readonly sxFlags: number;
  readonly mask: number;
}

/** Opcode to body type. */
export interface Bodies {
  [Opcode.LOOKUP]: NameBody;
  [Opcode.FORGET]: ForgetBody;
  [Opcode.GETATTR]: GetattrBody;
  [Opcode.SETATTR]: SetattrBody;
  [Opcode.READLINK]: Empty;
  [Opcode.SYMLINK]: SymlinkBody;
  [Opcode.MKNOD]: MknodBody;
  [Opcode.MKDIR]: MkdirBody;
  [Opcode.UNLINK]: NameBody;
  [Opcode.RMDIR]: NameBody;
  [Opcode.RENAME]: RenameBody;
  [Opcode.LINK]: LinkBody;
  [Opcode.OPEN]: OpenBody;
  [Opcode.READ]: ReadBody;
  [Opcode.WRITE]: WriteBody;
  [Opcode.STATFS]: Empty;
  [Opcode.RELEASE]: ReleaseBody;
  [Opcode.FSYNC]: FsyncBody;
  [Opcode.SETXATTR]: SetxattrBody;
  [Opcode.GETXATTR]: GetxattrBody;
  [Opcode.LISTXATTR]: ListxattrBody;
  [Opcode.REMOVEXATTR]: NameBody;
  [Opcode.FLUSH]: HandleBody;
  [Opcode.INIT]: InitBody;
  [Opcode.OPENDIR]: OpenBody;
  [Opcode.READDIR]: ReadBody;
  [Opcode.RELEASEDIR]: ReleaseBody;
  [Opcode.FSYNCDIR]: FsyncBody;
  [Opcode.GETLK]: LockBody;
  [Opcode.SETLK]: LockBody;
  [Opcode.SETLKW]: LockBody;
  [Opcode.ACCESS]: AccessBody;
  [Opcode.CREATE]: CreateBody;
  [Opcode.INTERRUPT]: InterruptBody;
  [Opcode.BMAP]: BmapBody;
  [Opcode.DESTROY]: Empty;
  [Opcode.IOCTL]: IoctlBody;
  [Opcode.POLL]: PollBody;
  [Opcode.NOTIFY_REPLY]: NotifyReplyBody;
  [Opcode.BATCH_FORGET]: BatchForgetBody;
  [Opcode.FALLOCATE]: FallocateBody;
  [Opcode.READDIRPLUS]: ReadBody;
  [Opcode.RENAME2]: RenameBody;
  [Opcode.LSEEK]: LseekBody;
  [Opcode.COPY_FILE_RANGE]: CopyFileRangeBody;
  [Opcode.SETUPMAPPING]: SetupMappingBody;
  [Opcode.REMOVEMAPPING]: RemoveMappingBody;
  [Opcode.SYNCFS]: Empty;
  [Opcode.TMPFILE]: CreateBody;
  [Opcode.STATX]: StatxBody;
  [Opcode.COPY_FILE_RANGE_64]: CopyFileRangeBody;
}
export type BodyOf<K extends OpcodeValue> = Bodies[K];
