// One line per request or reply, for people. Owns the rendering; decides nothing, and is never
// called unless somebody asked to see the traffic.

import { Buffer } from 'node:buffer';
import { errnoName } from '../errno.js';
import { opcodeName } from './abi.js';
import { isResent, type Request } from './requests.js';

/** Fields shown in octal, in hexadecimal; every other number is decimal. */
const octal = new Set(['mode', 'umask']);
const hex = new Set([
  'flags',
  'flags2',
  'openFlags',
  'valid',
  'mask',
  'sxFlags',
  'cmd',
  'arg',
  'readFlags',
  'writeFlags',
]);
/** Lists and texts are cut here. */
const LONGEST = 64;

/** `#5 LOOKUP node=1 uid=0 gid=0 pid=7 name="a"` */
export function printRequest(request: Request): string {
  const head = `#${printUnique(request.uniqueLow, request.uniqueHigh)} ${opcodeName(request.opcode)}`;
  const resent = isResent(request) ? ' resent' : '';
  const who = `node=${request.nodeid} uid=${request.uid} gid=${request.gid} pid=${request.pid}`;
  const rest = request.malformed
    ? ` malformed (${request.why}): ${errnoName(request.errno)}`
    : printFields(request.body);
  return `${head}${resent} ${who}${rest}`;
}

/** `#5 -> ENOENT` or `#5 -> ok 144 bytes`, from a finished reply. */
export function printReply(reply: Uint8Array): string {
  if (reply.byteLength < 16) return 'a reply shorter than its header';
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const error = -view.getInt32(4, true);
  const unique = printUnique(view.getUint32(8, true), view.getUint32(12, true));
  return `#${unique} -> ${error === 0 ? `ok ${view.getUint32(0, true)} bytes` : errnoName(error)}`;
}

/** Exact in decimal; bit 63 (resent) is not part of the number. */
export function printUnique(low: number, high: number): string {
  const number = (BigInt(high & 0x7fff_ffff) << 32n) | BigInt(low);
  return number.toString();
}

function printFields(body: object): string {
  return Object.entries(body)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${printValue(name, value)}`)
    .join('');
}

function printValue(name: string, value: unknown): string {
  if (typeof value === 'string') return printText(value);
  if (typeof value === 'number') return printNumber(name, value);
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  if (Array.isArray(value)) return `<${value.length} items>`;
  return String(value);
}

function printNumber(name: string, value: number): string {
  if (octal.has(name)) return `0${value.toString(8)}`;
  return hex.has(name) ? `0x${value.toString(16)}` : String(value);
}

/** Names are bytes; JSON quoting keeps a hostile one on its line. */
function printText(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  return JSON.stringify(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
}
