import { Buffer } from 'node:buffer';
import t from 'tap';
import { Opcode } from '../../lib/wire/abi.js';
import { printReply, printRequest, printUnique } from '../../lib/wire/print.js';
import { decode } from '../../lib/wire/requests.js';
import { type Bytes, build, type Int, request } from '../support/wire-builder.js';

function line(opcode: number, body: Bytes, unique: Int = 2): string {
  const built = request(opcode, body, { unique, nodeid: 5, uid: 1000, gid: 100, pid: 42 });
  const decoded = decode(built, built.byteLength);
  return decoded === undefined ? 'nothing' : printRequest(decoded);
}

const who = 'node=5 uid=1000 gid=100 pid=42';

t.test('requests', (t) => {
  t.equal(line(Opcode.LOOKUP, build.names('a b')), `#2 LOOKUP ${who} name="a b"`);
  t.equal(line(Opcode.STATFS, build.empty()), `#2 STATFS ${who}`);
  t.equal(line(Opcode.MKDIR, build.mkdir(0o755, 0o22, 'd')), `#2 MKDIR ${who} name="d" mode=0755 umask=022`);
  t.equal(line(Opcode.OPEN, build.open(0x8000)), `#2 OPEN ${who} flags=0x8000 openFlags=0x0`);
  t.match(line(Opcode.WRITE, build.write(1, 2, Buffer.alloc(9))), /offset=2 size=9 .* data=<9 bytes>$/);
  t.match(line(Opcode.BATCH_FORGET, build.batchForget([{ nodeid: 1, nlookup: 1 }])), /items=<1 items>$/);
  t.equal(line(Opcode.STATFS, build.empty(), 2n ** 63n + 6n), `#6 STATFS resent ${who}`);
  t.end();
});

t.test('hostile names stay on their line', (t) => {
  const printed = line(Opcode.LOOKUP, build.names(`a\n"\x1b${'x'.repeat(200)}`));
  t.match(printed, /name="a\\n\\"\\u001bx+…"$/);
  t.notOk(printed.includes('\n'));
  const utf8 = Buffer.from('é').toString('latin1');
  t.match(line(Opcode.LOOKUP, build.names(utf8)), /name="é"$/);
  t.end();
});

t.test('malformed requests', (t) => {
  t.equal(line(99, build.empty()), `#2 OP99 ${who} malformed (unknown opcode): ENOSYS`);
  t.match(line(Opcode.LOOKUP, build.names('')), /malformed .*EINVAL/);
  t.end();
});

t.test('replies', (t) => {
  const ok = Buffer.alloc(24);
  ok.writeUInt32LE(24, 0);
  ok.writeUInt32LE(8, 8);
  t.equal(printReply(ok), '#8 -> ok 24 bytes');
  ok.writeInt32LE(-2, 4);
  t.equal(printReply(ok), '#8 -> ENOENT');
  t.equal(printReply(ok.subarray(0, 3)), 'a reply shorter than its header');
  const high = Buffer.alloc(16);
  high.writeUInt32LE(1, 12);
  t.equal(printReply(high), '#4294967296 -> ok 0 bytes');
  t.equal(printUnique(0xffff_ffff, 0x7fff_ffff), (2n ** 63n - 1n).toString());
  t.end();
});
