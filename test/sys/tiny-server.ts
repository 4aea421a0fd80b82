// The smallest FUSE server that can show the channel at work: one directory of files f to m, the bytes of all of
// which are one host file's. Written on its own, without lib/wire, so that the two can disagree.

import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { addon, type NativeChannel } from '../../lib/sys/binding.js';
import * as c from '../../lib/sys/constants.js';
import { Stat, W } from '../../lib/sys/stat.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { fdsBelow, tempDir } from './native-util.js';

export const op = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  RELEASE: 18,
  FSYNC: 20,
  GETXATTR: 22,
  FLUSH: 25,
  READDIR: 28,
  READDIRPLUS: 44,
};
const INIT = 26;
const INTERRUPT = 36;
const BATCH_FORGET = 42;
export const ENOSYS = 38;
export const CAPABILITY = 'security.capability';
/** cap_net_bind_service+ep, revision 2. */
export const capability = Buffer.from([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const ENOENT = 2;
const HEADER = 16;
export const FOPEN_PASSTHROUGH = 1 << 7;
const MAX_WRITE = 1 << 20;

/** What a test may put in the way of an opcode: an errno > 0 to answer, 0 for the usual, -1 for no answer. */
export type Hook = (opcode: number, unique: bigint) => number;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program without ever blocking this thread, which is the one that serves it. */
export function run(program: string, ...argv: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, argv, { encoding: 'latin1', timeout: 20_000, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error ? Number(error.code ?? 255) : 0, out, err });
    });
  });
}

export class TinyServer {
  readonly temp = tempDir();
  readonly mountpoint = join(this.temp.dir, 'mnt');
  readonly file = join(this.mountpoint, 'f');
  readonly host = join(this.temp.dir, 'host');
  readonly device = sys.openPath('/dev/fuse', c.O_RDWR);
  readonly channel: NativeChannel;
  readonly seen: number[] = [];
  hook: Hook = () => 0;
  openFlags = 0;
  /** FSYNC is granted too. */
  fsyncs = true;
  backingId = 0;
  /** The fh of the next OPEN, and the descriptor it is granted (none when negative). */
  fh = 1;
  grant: () => number = () => sys.openPath(this.host, c.O_RDWR);
  /** Hears of each OPEN that was granted, before the reply. */
  opened: (fh: number) => void = () => {};
  /** The fhs of all RELEASEs. */
  readonly released: number[] = [];
  readonly ended: Promise<number>;
  #end: (code: number) => void = () => undefined;
  readonly #in: DataView;
  readonly #out: DataView;
  readonly #watchdog: NodeJS.Timeout;

  constructor(wakeful = false) {
    mkdirSync(this.mountpoint);
    sys.close(sys.openPath(this.host, c.O_RDWR | c.O_CREAT));
    sys.chmodAt(this.temp.dirfd, 'host', 0o644);
    sys.chmodAt(this.temp.dirfd, '', 0o755);
    const options = `fd=${this.device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions`;
    const rc = sys.mount('tiny', this.mountpoint, 'fuse', c.MS_NOSUID, options);
    if (rc < 0) throw new Error(`mount ${rc}`);
    this.channel = addon.openChannel(this.device, MAX_WRITE, wakeful);
    this.#in = new DataView(this.channel.requestBuffer);
    this.#out = new DataView(this.channel.replyBuffer);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#watchdog = setTimeout(() => sys.umount(this.mountpoint, c.MNT_DETACH | 1), 60_000);
  }

  start(): void {
    this.channel.start(
      (length) => this.#request(length),
      (code) => this.#end(code),
    );
  }

  /** Unmounts and puts everything away; safe after any failure. */
  async teardown(): Promise<void> {
    clearTimeout(this.#watchdog);
    sys.umount(this.mountpoint, c.MNT_DETACH);
    this.channel.stop();
    sys.close(this.device);
    sys.close(this.temp.dirfd);
    this.temp.remove();
  }

  count(opcode: number): number {
    return this.seen.filter((one) => one === opcode).length;
  }

  reply(unique: bigint, error: number, length = 0): number {
    this.#out.setUint32(0, HEADER + length, true);
    this.#out.setInt32(4, -error, true);
    this.#out.setBigUint64(8, unique, true);
    return this.channel.reply(HEADER + length);
  }

  #request(length: number): void {
    if (length === 0) return;
    const opcode = this.#in.getUint32(4, true);
    const unique = this.#in.getBigUint64(8, true);
    const nodeid = this.#in.getBigUint64(16, true);
    this.seen.push(opcode);
    const put = this.hook(opcode, unique);
    if (put < 0 || [op.FORGET, BATCH_FORGET, INTERRUPT].includes(opcode)) return;
    if (put > 0) this.reply(unique, put);
    else this.#answer(opcode, unique, nodeid);
  }

  #answer(opcode: number, unique: bigint, nodeid: bigint): void {
    if (opcode === INIT) this.reply(unique, 0, this.#init());
    else if (opcode === op.LOOKUP) this.#lookup(unique);
    else if (opcode === op.GETATTR || opcode === op.SETATTR) this.#attributes(unique, nodeid);
    else if (opcode === op.OPEN) this.#open(unique);
    else if (opcode === op.READ) this.#read(unique);
    else if (opcode === op.RELEASE) this.#release(unique);
    else this.reply(unique, opcode === op.FLUSH ? 0 : ENOSYS);
  }

  #clear(bytes: number): void {
    new Uint8Array(this.channel.replyBuffer, 0, HEADER + bytes).fill(0);
  }

  #init(): number {
    this.#clear(64);
    const body = new DataView(this.channel.replyBuffer, HEADER);
    const BIG_WRITES = 1 << 5;
    const DO_READDIRPLUS = 1 << 13;
    const MAX_PAGES = 1 << 22;
    const NO_OPENDIR_SUPPORT = 1 << 24;
    const KILLPRIV_V2 = 1 << 28;
    const INIT_EXT = 1 << 30;
    body.setUint32(0, 7, true);
    body.setUint32(4, 41, true);
    body.setUint32(8, 1 << 20, true);
    const directories = DO_READDIRPLUS | NO_OPENDIR_SUPPORT;
    body.setUint32(12, BIG_WRITES | directories | MAX_PAGES | KILLPRIV_V2 | INIT_EXT, true);
    body.setUint32(20, MAX_WRITE, true);
    body.setUint32(24, 1, true);
    body.setUint16(28, 256, true);
    body.setUint32(32, 1 << 5, true); // PASSTHROUGH
    body.setUint32(36, 1, true);
    return 64;
  }

  #attr(at: number, nodeid: bigint): void {
    const st = new Stat();
    if (nodeid === 1n) sys.statAt(this.temp.dirfd, '', st);
    else sys.statAt(this.temp.dirfd, 'host', st);
    const body = new DataView(this.channel.replyBuffer, HEADER + at);
    const fields = [W.size, W.blocks, W.atime, W.mtime, W.ctime];
    body.setBigUint64(0, nodeid, true);
    fields.forEach((word, i) => {
      body.setUint32(8 + i * 8, st.words[word] as number, true);
    });
    const singles = [W.atimeNsec, W.mtimeNsec, W.ctimeNsec, W.mode, W.nlink, W.uid, W.gid, W.rdev, W.blksize];
    singles.forEach((word, i) => {
      body.setUint32(48 + i * 4, st.words[word] as number, true);
    });
  }

  #lookup(unique: bigint): void {
    const name = this.#in.getUint16(40, true);
    if (name < 0x66 || name > 0x6d) {
      this.reply(unique, ENOENT);
      return;
    }
    this.#clear(128);
    const nodeid = BigInt(name - 0x64);
    this.#out.setBigUint64(HEADER, nodeid, true);
    this.#attr(40, nodeid);
    this.reply(unique, 0, 128);
  }

  #attributes(unique: bigint, nodeid: bigint): void {
    this.#clear(104);
    this.#attr(16, nodeid);
    this.reply(unique, 0, 104);
  }

  #open(unique: bigint): void {
    const fd = this.grant();
    if (fd >= 0) this.channel.attach(this.fh, fd, this.fsyncs);
    this.opened(this.fh);
    this.#clear(16);
    this.#out.setBigUint64(HEADER, BigInt(this.fh), true);
    this.#out.setUint32(HEADER + 8, this.openFlags, true);
    this.#out.setUint32(HEADER + 12, this.backingId, true);
    this.fh += 1;
    this.reply(unique, 0, 16);
  }

  /** A READ that was not granted: the file then says so. */
  #read(unique: bigint): void {
    const text = Buffer.from('from javascript\n');
    const offset = this.#in.getUint32(48, true);
    const slice = text.subarray(Math.min(offset, text.length));
    new Uint8Array(this.channel.replyBuffer, HEADER).set(slice);
    this.reply(unique, 0, slice.length);
  }

  #release(unique: bigint): void {
    const fh = Number(this.#in.getBigUint64(40, true));
    this.released.push(fh);
    this.channel.detach(fh);
    this.reply(unique, 0);
  }
}

/** Runs `body` on a served mount; afterwards nothing below the directory is open. */
export async function served(body: (server: TinyServer) => Promise<void>, wakeful = false): Promise<string[]> {
  const server = new TinyServer(wakeful);
  try {
    server.start();
    await body(server);
  } finally {
    await server.teardown();
  }
  return fdsBelow(server.temp.dir);
}
