// Where the command begins: runs the whole program from one file, with V8's bytecode for it, because finding and compiling a
// hundred modules takes longer than mounting. Without that file, or with one older than the modules, it runs the modules.

import fs = require('node:fs');
import path = require('node:path');
import url = require('node:url');
import vm = require('node:vm');

type Program = (
  require: NodeJS.Require,
  load: (target: string) => Promise<unknown>,
  at: (file: string) => string,
) => void;

/** The first line of program.cjs says what it holds, and the cache begins with the same line. */
const MARK = 68;

const file = path.join(__dirname, 'program.cjs');

/** Empty when it is not there. */
function read(name: string): Buffer {
  try {
    return fs.readFileSync(name);
  } catch {
    return Buffer.alloc(0);
  }
}

/** When something was last written there; never, if it does not exist. */
function changed(name: string): number {
  return fs.statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** V8 knows its own version's bytecode, but of the source only its length: whether they belong together is for us to know. */
function cacheOf(source: Buffer): Buffer | undefined {
  const cache = read(path.join(__dirname, `program.${process.versions.v8}-${process.arch}.cache`));
  return cache.length > MARK && cache.compare(source, 0, MARK, 0, MARK) === 0 ? cache.subarray(MARK) : undefined;
}

function runProgram(source: Buffer): void {
  const cachedData = cacheOf(source);
  const script = new vm.Script(source.toString('latin1'), { filename: file, ...(cachedData && { cachedData }) });
  const program: Program = script.runInThisContext();
  const load = (target: string): Promise<unknown> =>
    target.startsWith('node:') ? Promise.resolve(require(target)) : import(target);
  program(require, load, (name) => url.pathToFileURL(path.join(__dirname, name)).href);
}

// Only a checkout has the compiler's notes; they are written with the modules.
const stale = changed(file) < changed(path.join(__dirname, '..', '..', '.tsbuildinfo'));
const source = stale ? Buffer.alloc(0) : read(file);
if (source.length > 0) runProgram(source);
else void import('./main.js');
