// Decodes one request: the header, then the body by a table with one row per opcode.
// Knows bytes and names of fields; knows no file, no node and no answer.
// A request that cannot be decoded is a value (`malformed`) that carries the errno to answer with.

import { errno } from '../errno.js';
import { IN_HEADER_SIZE, Opcode, type OpcodeValue, structs, UNIQUE_RESEND_HIGH } from './abi.js';
import type { Bodies, BodyOf } from './bodies.js';
import { parsers, type Row } from './parsers.js';
import { Reader } from './reader.js';

export type * from './bodies.js';

/** What INIT agreed on that changes how later requests are laid out. */
export interface Dialect {
  /** SETXATTR has the 16-byte header (SETXATTR_EXT agreed), else the 8-byte one. */
  readonly setxattrExt: boolean;
}

/** Before INIT is answered, and for kernels that offer nothing. */
export const plainDialect: Dialect = { setxattrExt: false };

export interface Header {
  /** Kernel-minted, so kept exact as two words. */
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
  readonly nodeid: number;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** A well-formed request of opcode `K`. */
export interface RequestOf<K extends OpcodeValue> extends Header {
  readonly opcode: K;
  readonly malformed: false;
  readonly body: BodyOf<K>;
}

/** A request that no handler sees; the dispatcher answers `errno`, if the opcode is answered at all. */
export interface MalformedRequest extends Header {
  readonly opcode: number;
  readonly malformed: true;
  readonly errno: number;
  readonly why: string;
}

export type WellFormedRequest = { [K in keyof Bodies]: RequestOf<K> }[keyof Bodies];
export type Request = WellFormedRequest | MalformedRequest;

const H = structs.fuse_in_header;
const HIGH = 0x1_0000_0000;

let lastBuffer: Uint8Array | undefined;
let lastReader: Reader | undefined;
let lastView: DataView | undefined;

/** The session reads into one buffer over and over: its views are made once. */
function viewsOf(buffer: Uint8Array): { reader: Reader; view: DataView } {
  if (buffer !== lastBuffer || lastReader === undefined || lastView === undefined) {
    lastReader = new Reader(buffer);
    lastView = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    lastBuffer = buffer;
  }
  return { reader: lastReader, view: lastView };
}

/**
 * Decodes the request in the first `length` bytes of `buffer`; undefined when not even its header
 * is whole, so that there is nobody to answer. Byte views in the body alias `buffer`.
 */
export function decode(buffer: Uint8Array, length: number, dialect: Dialect = plainDialect): Request | undefined {
  const { reader, view } = viewsOf(buffer);
  if (length < IN_HEADER_SIZE || length > buffer.byteLength || view.getUint32(H.len, true) !== length) return undefined;
  const opcode = view.getUint32(H.opcode, true);
  const row = parsers[opcode];
  if (row === undefined) return malformed(view, opcode, errno.ENOSYS, 'unknown opcode');
  const extensions = view.getUint16(H.total_extlen, true) * 8;
  reader.window(IN_HEADER_SIZE, length);
  const body = parse(row, reader, length, extensions, dialect);
  if (reader.short) return malformed(view, opcode, errno.EINVAL, 'shorter than its fields');
  if (reader.inexact) return malformed(view, opcode, errno.EFBIG, 'a number of 2^53 or more');
  if (body === undefined) return malformed(view, opcode, errno.EINVAL, 'an impossible field');
  return wellFormed(view, opcode, body);
}

function parse(row: Row, reader: Reader, length: number, extensions: number, dialect: Dialect): unknown {
  if (length < IN_HEADER_SIZE + row.minimum) {
    reader.short = true;
    return undefined;
  }
  if (extensions > 0) reader.endAt(length - extensions);
  const body = row.body(reader, dialect);
  if (extensions === 0 || body === undefined || reader.short || row.extend === undefined) return body;
  const { inexact } = reader;
  reader.window(length - extensions, length);
  row.extend(body, reader);
  reader.inexact ||= inexact;
  return body;
}

function wellFormed(view: DataView, opcode: number, body: unknown): Request {
  // The table pairs each opcode with its own body type, which indexing by a number forgets.
  return {
    opcode,
    malformed: false,
    uniqueLow: view.getUint32(H.unique, true),
    uniqueHigh: view.getUint32(H.unique + 4, true),
    nodeid: view.getUint32(H.nodeid, true) + view.getUint32(H.nodeid + 4, true) * HIGH,
    uid: view.getUint32(H.uid, true),
    gid: view.getUint32(H.gid, true),
    pid: view.getUint32(H.pid, true),
    body,
  } as WellFormedRequest;
}

function malformed(view: DataView, opcode: number, code: number, why: string): MalformedRequest {
  return {
    opcode,
    malformed: true,
    uniqueLow: view.getUint32(H.unique, true),
    uniqueHigh: view.getUint32(H.unique + 4, true),
    nodeid: view.getUint32(H.nodeid, true) + view.getUint32(H.nodeid + 4, true) * HIGH,
    uid: view.getUint32(H.uid, true),
    gid: view.getUint32(H.gid, true),
    pid: view.getUint32(H.pid, true),
    errno: code,
    why,
  };
}

/** False for the opcodes the kernel sends without waiting; an answer to one is a protocol error. */
export function expectsReply(opcode: number): boolean {
  return (
    opcode !== Opcode.FORGET &&
    opcode !== Opcode.BATCH_FORGET &&
    opcode !== Opcode.INTERRUPT &&
    opcode !== Opcode.NOTIFY_REPLY
  );
}

/** True when the kernel sent this request before and no answer reached it. */
export function isResent(request: Header): boolean {
  return request.uniqueHigh >= UNIQUE_RESEND_HIGH;
}
