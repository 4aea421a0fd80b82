// The style as a test: import floors, sizes, opening comments, and words that do not belong. See lib/README.md for the
// floors. It knows how files look, and nothing about what they do.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { nativeFindings } from './tidy-native.js';
import { shapeFindings } from './tidy-shape.js';

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly file: string;
  readonly text: string;
}

const floors: Readonly<Record<string, number>> = {
  errno: 0,
  assert: 0,
  log: 0,
  sys: 1,
  wire: 1,
  nodes: 2,
  union: 3,
  ops: 4,
  session: 5,
  image: 6,
  // Makes directories and says how they are to be mounted; mounts nothing.
  snapshotter: 6,
  mounted: 6,
  // The other assembly, a variation on mounted.
  'fuse-native': 6.5,
  cli: 7,
  index: 7,
};

/** What a room may use of a room below it when it may not use all of it. `*` is the whole of it, nothing is none. */
const narrowed: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  nodes: { sys: ['fd', 'name', 'stat', 'constants'], wire: [] },
  union: { wire: [] },
  image: { wire: [], ops: [], session: [] },
  snapshotter: { sys: [], wire: [], nodes: [], union: [], ops: [], session: [] },
};

const addonPackages = new Set(['node-gyp-build']);
const addonImporter = 'lib/sys/binding.ts';

/** `sys` for lib/sys/fd.ts, `errno` for lib/errno.ts. */
function roomOf(file: string): string {
  const parts = file.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : basename(file, '.ts');
}

/** Every module name that a file imports or re-exports, types included. */
function importsOf(tree: ts.SourceFile): { target: string; position: number }[] {
  const found: { target: string; position: number }[] = [];
  const visit = (node: ts.Node): void => {
    const named = ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? node.moduleSpecifier : undefined;
    const called = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const typed = ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
    const target = named ?? (called ? node.arguments[0] : typed);
    if (target !== undefined && ts.isStringLiteral(target)) {
      found.push({ target: target.text, position: node.getStart() });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function forbidden(from: string, to: string): string | undefined {
  const here = roomOf(from);
  const there = roomOf(to);
  if (here === there) return undefined;
  const high = floors[here];
  const low = floors[there];
  if (low === undefined) return `${to} stands on no floor`;
  if (high === undefined || low > high) return `${here} (floor ${high}) may not use ${there} (floor ${low})`;
  if (low === high && high > 0) return `${here} may not use ${there}, sideways on floor ${high}`;
  const only = narrowed[here]?.[there];
  if (only !== undefined && !only.includes(basename(to, '.ts'))) return `${here} may not use ${to}`;
  return undefined;
}

interface Edges {
  readonly findings: Finding[];
  readonly edges: Map<string, string[]>;
}

function importFindings(sources: readonly Source[], trees: ReadonlyMap<string, ts.SourceFile>): Edges {
  const findings: Finding[] = [];
  const edges = new Map<string, string[]>();
  for (const { file } of sources) {
    const tree = trees.get(file);
    if (tree === undefined || !file.startsWith('lib/')) continue;
    if (floors[roomOf(file)] === undefined) findings.push({ file, line: 1, message: 'stands on no floor' });
    const to: string[] = [];
    for (const { target, position } of importsOf(tree)) {
      const line = tree.getLineAndCharacterOfPosition(position).line + 1;
      const message = target.startsWith('.') ? inner(file, target, to) : outer(file, target);
      if (message !== undefined) findings.push({ file, line, message });
    }
    edges.set(file, to);
  }
  return { findings, edges };
}

function inner(file: string, target: string, to: string[]): string | undefined {
  const path = normalize(join(dirname(file), target)).replace(/\.js$/, '.ts');
  if (!path.startsWith('lib/')) return path === 'package.json' ? undefined : `${path} is outside lib`;
  to.push(path);
  return forbidden(file, path);
}

function outer(file: string, target: string): string | undefined {
  const addon = addonPackages.has(target) || target.endsWith('.node');
  return addon && file !== addonImporter ? `only ${addonImporter} may load the addon` : undefined;
}

/** One finding for each import that closes a circle. */
function cycleFindings(edges: ReadonlyMap<string, readonly string[]>): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      const message = `imports in a circle: ${[...path.slice(start), file].join(' -> ')}`;
      findings.push({ file, line: 1, message });
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of edges.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of edges.keys()) visit(file);
  return findings;
}

/** Judges sources that are already in memory. */
export function judge(sources: readonly Source[]): Finding[] {
  const trees = new Map<string, ts.SourceFile>();
  for (const { file, text } of sources) {
    if (/\.c?ts$/.test(file)) trees.set(file, ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  }
  const { findings, edges } = importFindings(sources, trees);
  findings.push(...cycleFindings(edges));
  for (const tree of trees.values()) findings.push(...shapeFindings(tree));
  for (const source of sources) {
    if (source.file.startsWith('native/')) findings.push(...nativeFindings(source));
  }
  return findings.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function filesUnder(root: string, folder: string, wanted: RegExp): Source[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && wanted.test(entry.name) && !/\.d\.c?ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ file: relative(root, path), text: readFileSync(path, 'utf8') }));
}

/** Everything in the checkout at `root` that breaks a rule. */
export function tidy(root: string): Finding[] {
  const typescript = ['lib', 'scripts', 'test', 'benchmarks'].flatMap((folder) => filesUnder(root, folder, /\.c?ts$/));
  return judge([...typescript, ...filesUnder(root, 'native', /\.(cc|h)$/)]);
}

function main(): void {
  const findings = tidy(process.cwd());
  for (const { file, line, message } of findings) process.stdout.write(`${file}:${line}: ${message}\n`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
