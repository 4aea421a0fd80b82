import t from 'tap';
import { InitFlag } from '../../lib/wire/abi.js';
import { type Negotiated, negotiate, type Wishes } from '../../lib/wire/init.js';

const everything = { major: 7, minor: 45, maxReadahead: 131072, flags: 0xffff_ffff, flags2: 0xffff_ffff };

function agreed(wishes: Wishes, offer = everything): { negotiated: Negotiated; refused: readonly string[] } {
  const outcome = negotiate(offer, wishes);
  if (outcome.kind !== 'agreed') throw new Error(outcome.kind);
  return outcome;
}

t.test('what is wished and offered is agreed, and nothing else', (t) => {
  const { negotiated, refused } = agreed({ asyncRead: true, passthrough: true, posixAcl: false });
  t.ok(negotiated.asyncRead);
  t.ok(negotiated.passthrough);
  t.notOk(negotiated.posixAcl, 'declined');
  t.notOk(negotiated.parallelDirops, 'not mentioned');
  t.equal(negotiated.flags, InitFlag.ASYNC_READ.bit + InitFlag.INIT_EXT.bit);
  t.equal(negotiated.flags2, InitFlag.PASSTHROUGH.bit);
  t.strictSame(refused, []);
  t.end();
});

t.test('what is not offered is refused by name', (t) => {
  const { negotiated, refused } = agreed({ asyncRead: true, posixAcl: true }, { ...everything, flags: 1 });
  t.ok(negotiated.asyncRead);
  t.notOk(negotiated.posixAcl);
  t.strictSame(refused, ['posixAcl: not offered by the kernel']);
  t.end();
});

t.test('flags2 counts only with INIT_EXT', (t) => {
  const { negotiated, refused } = agreed({ hasResend: true }, { ...everything, flags: 0x3fff_ffff });
  t.notOk(negotiated.hasResend);
  t.equal(negotiated.flags, 0);
  t.equal(negotiated.flags2, 0);
  t.equal(refused.length, 1);
  t.end();
});

t.test('a flag from before its minor is noise', (t) => {
  const { negotiated } = agreed({ passthrough: true, readdirplus: true }, { ...everything, minor: 39 });
  t.notOk(negotiated.passthrough);
  t.ok(negotiated.readdirplus);
  t.equal(negotiated.minor, 39);
  t.end();
});

t.test('a newer minor is answered with ours', (t) => {
  t.equal(agreed({}, { ...everything, minor: 60 }).negotiated.minor, 45);
  t.end();
});

t.test('passthrough excludes the writeback cache', (t) => {
  const both = agreed({ passthrough: true, writebackCache: true });
  t.ok(both.negotiated.passthrough);
  t.notOk(both.negotiated.writebackCache);
  t.equal(both.negotiated.flags & InitFlag.WRITEBACK_CACHE.bit, 0);
  t.strictSame(both.refused, ['writebackCache: excluded by passthrough']);
  const without = agreed({ passthrough: true, writebackCache: true }, { ...everything, flags2: 0 });
  t.ok(without.negotiated.writebackCache, 'unless passthrough was not to be had');
  t.end();
});

t.test('other pairs', (t) => {
  const inval = agreed({ autoInvalData: true, explicitInvalData: true });
  t.ok(inval.negotiated.autoInvalData);
  t.notOk(inval.negotiated.explicitInvalData);
  const auto = agreed({ readdirplusAuto: true });
  t.notOk(auto.negotiated.readdirplusAuto);
  t.strictSame(auto.refused, ['readdirplusAuto: needs readdirplus']);
  t.end();
});

t.test('the size of a request', (t) => {
  const full = agreed({ bigWrites: true, maxPages: true, maxWrite: 1 << 20 }).negotiated;
  t.same([full.maxWrite, full.maxPages], [1 << 20, 256]);
  const odd = agreed({ bigWrites: true, maxPages: true, maxWrite: 5000 }).negotiated;
  t.same([odd.maxWrite, odd.maxPages], [5000, 2]);
  const noPages = agreed({ bigWrites: true, maxWrite: 1 << 20 }).negotiated;
  t.same([noPages.maxWrite, noPages.maxPages], [131072, 32], 'without maxPages the kernel assumes 32');
  t.same(agreed({ maxPages: true }).negotiated.maxWrite, 4096, 'without bigWrites one page');
  t.same(agreed({ bigWrites: true, maxPages: true, maxWrite: 1 }).negotiated.maxWrite, 4096);
  t.end();
});

t.test('limits stay within their fields', (t) => {
  const most = agreed({ maxBackground: 1e6, congestionThreshold: 1e6, timeGran: 1e12, maxReadahead: 1e9 }).negotiated;
  t.same([most.maxBackground, most.congestionThreshold, most.timeGran], [0xffff, 0xffff, 1e9]);
  t.equal(most.maxReadahead, 131072, 'never more than offered');
  t.equal(agreed({ maxReadahead: 4096 }).negotiated.maxReadahead, 4096);
  t.equal(agreed({ maxStackDepth: 2 }).negotiated.maxStackDepth, 0, 'passthrough only');
  t.equal(agreed({ passthrough: true, maxStackDepth: 9 }).negotiated.maxStackDepth, 2);
  t.equal(agreed({ passthrough: true }).negotiated.maxStackDepth, 1);
  t.equal(agreed({ requestTimeoutSeconds: 5 }).negotiated.requestTimeoutSeconds, 0);
  t.equal(agreed({ requestTimeout: true, requestTimeoutSeconds: 5 }).negotiated.requestTimeoutSeconds, 5);
  t.end();
});

t.test('other versions', (t) => {
  t.strictSame(negotiate({ ...everything, major: 8 }, {}), { kind: 'again', major: 7, minor: 45 });
  t.equal(negotiate({ ...everything, major: 6 }, {}).kind, 'error');
  t.match(negotiate({ ...everything, minor: 11 }, {}), { kind: 'error', why: /7\.11/ });
  t.equal(negotiate({ ...everything, minor: 12 }, {}).kind, 'agreed');
  t.equal(agreed({}, { ...everything, minor: 22 }).negotiated.initOutSize, 24);
  t.equal(agreed({}, { ...everything, minor: 23 }).negotiated.initOutSize, 64);
  t.end();
});

t.test('each feature with the minor that brought it, and not one earlier', (t) => {
  const since = {
    autoInvalData: 20,
    readdirplus: 21,
    asyncDio: 22,
    writebackCache: 23,
    parallelDirops: 25,
    posixAcl: 26,
    abortError: 27,
    cacheSymlinks: 28,
    noOpendirSupport: 29,
    explicitInvalData: 30,
    handleKillprivV2: 33,
    setxattrExt: 33,
    securityCtx: 36,
    createSuppGroup: 38,
    hasExpireOnly: 38,
    directIoAllowMmap: 39,
    passthrough: 40,
    hasResend: 40,
    allowIdmap: 41,
    overIoUring: 42,
    requestTimeout: 43,
  } as const;
  for (const [feature, minor] of Object.entries(since) as [keyof typeof since, number][]) {
    const wishes = { [feature]: true };
    t.ok(agreed(wishes, { ...everything, minor }).negotiated[feature], `${feature} in 7.${minor}`);
    t.notOk(agreed(wishes, { ...everything, minor: minor - 1 }).negotiated[feature], `${feature} before`);
  }
  t.end();
});
