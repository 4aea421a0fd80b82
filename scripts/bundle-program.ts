// Makes the one file that the command starts from: every module that lib/cli/main reaches, each in a function of its own, and
// the bytecode that this Node.js makes of it. Reads and writes dist/ only; lib/cli/start.cts runs what comes of it.
//
//   node dist/scripts/bundle-program.js [DIRECTORY]      default: dist/lib/cli

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import ts from 'typescript';
import { mountNothing, type Program } from './mount-nothing.js';

const cli = fileURLToPath(new URL('../lib/cli/', import.meta.url));
const entry = join(cli, 'main.js');
/** Packages whose sources come along: a mount needs them, and finding a package takes as long as running it. */
const within: readonly string[] = ['lru-cache', 'xxhash-wasm'];

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What a module names in its imports and shows to others, in the words of its function. */
interface Outline {
  readonly edits: Edit[];
  /** `shown: inside`. */
  readonly shown: string[];
}

/** Where a module lies that comes along; undefined for what `require` will find. */
function inside(from: string, target: string): string | undefined {
  if (target.startsWith('.')) return join(dirname(from), target);
  return within.includes(target) ? fileURLToPath(import.meta.resolve(target)) : undefined;
}

class Bundle {
  readonly #numbers = new Map<string, number>();
  readonly #waiting: string[] = [];

  #number(file: string): number {
    let number = this.#numbers.get(file);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(file, number);
      this.#waiting.push(file);
    }
    return number;
  }

  /** An expression for the module that `file` calls `target`. */
  #use(file: string, target: string): string {
    const found = inside(file, target);
    return found === undefined ? `require(${JSON.stringify(target)})` : `use(${this.#number(found)})`;
  }

  /** The text of a function (require, load, at) that runs `main`; ASCII only, so that V8 keeps one byte for a character. */
  text(main: string): string {
    this.#number(main);
    const functions: string[] = [];
    for (let file = this.#waiting.shift(); file !== undefined; file = this.#waiting.shift()) {
      functions.push(`// ${relative(cli, file)}\n() => {\n${this.#body(file)}}`);
    }
    const text = `(function (require, load, at) { 'use strict';
const made = [];
const use = (number) => (made[number] ??= modules[number]());
const modules = [
${functions.join(',\n')}
];
use(0);
})\n`;
    return text.replace(/[^\n -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }

  #body(file: string): string {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, removeComments: true };
    const written = readFileSync(file, 'utf8').replace(/^#!.*/, '');
    const source = ts.transpileModule(written, { compilerOptions }).outputText;
    const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true);
    const outline: Outline = { edits: [], shown: [] };
    for (const statement of tree.statements) this.#statement(file, statement, outline);
    this.#expressions(file, tree, outline);
    let text = source;
    for (const { from, to, text: put } of outline.edits.sort((a, b) => b.from - a.from)) {
      text = text.slice(0, from) + put + text.slice(to);
    }
    return `${text}return { ${outline.shown.join(', ')} };\n`;
  }

  #statement(file: string, statement: ts.Statement, { edits, shown }: Outline): void {
    const from = statement.getStart();
    if (ts.isImportDeclaration(statement)) {
      edits.push({ from, to: statement.end, text: this.#import(file, statement) });
    } else if (ts.isExportDeclaration(statement)) {
      shown.push(...this.#reexports(file, statement));
      edits.push({ from, to: statement.end, text: '' });
    } else if (ts.isExportAssignment(statement)) {
      shown.push('default: _default');
      edits.push({ from, to: statement.expression.getStart(), text: 'const _default = ' });
    } else if (ts.canHaveModifiers(statement)) {
      const [word, next] = ts.getModifiers(statement) ?? [];
      if (word?.kind !== ts.SyntaxKind.ExportKeyword) return;
      if (next?.kind === ts.SyntaxKind.DefaultKeyword) throw refusal(statement);
      shown.push(...declared(statement));
      edits.push({ from: word.getStart(), to: word.end + 1, text: '' });
    }
  }

  #reexports(file: string, statement: ts.ExportDeclaration): string[] {
    const target = targetOf(statement);
    const owner = target === undefined ? '' : `${this.#use(file, target)}.`;
    const clause = statement.exportClause;
    if (clause === undefined || !ts.isNamedExports(clause)) throw refusal(statement);
    return clause.elements.map(({ name, propertyName }) => `${name.text}: ${owner}${(propertyName ?? name).text}`);
  }

  #import(file: string, statement: ts.ImportDeclaration): string {
    const target = targetOf(statement) as string;
    const module = this.#use(file, target);
    const clause = statement.importClause;
    if (clause === undefined) return `${module};`;
    const names: string[] = [];
    const bindings = clause.namedBindings;
    // CommonJS packages are their own default.
    const plain = inside(file, target) === undefined;
    if (clause.name !== undefined && plain) return `const ${clause.name.text} = ${module};`;
    if (clause.name !== undefined) names.push(`default: ${clause.name.text}`);
    if (bindings !== undefined && ts.isNamespaceImport(bindings)) return `const ${bindings.name.text} = ${module};`;
    for (const { name, propertyName } of bindings?.elements ?? []) {
      names.push(propertyName === undefined ? name.text : `${propertyName.text}: ${name.text}`);
    }
    return `const { ${names.join(', ')} } = ${module};`;
  }

  /** import() and import.meta, wherever they stand. */
  #expressions(file: string, node: ts.Node, outline: Outline): void {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const target = node.arguments[0];
      if (target === undefined || !ts.isStringLiteral(target)) throw refusal(node);
      const bundled = inside(file, target.text) !== undefined;
      const text = bundled ? `Promise.resolve().then(() => ${this.#use(file, target.text)})` : `load('${target.text}')`;
      outline.edits.push({ from: node.getStart(), to: node.end, text });
    } else if (ts.isMetaProperty(node)) {
      const property = node.parent;
      if (!ts.isPropertyAccessExpression(property) || property.name.text !== 'url') throw refusal(node);
      const text = `at(${JSON.stringify(relative(cli, file))})`;
      outline.edits.push({ from: property.getStart(), to: property.end, text });
    } else node.forEachChild((child) => this.#expressions(file, child, outline));
  }
}

function refusal(node: ts.Node): Error {
  return new Error(`${node.getSourceFile().fileName}: cannot bundle '${node.getText().split('\n')[0]}'`);
}

function targetOf(statement: ts.ImportDeclaration | ts.ExportDeclaration): string | undefined {
  const target = statement.moduleSpecifier;
  return target !== undefined && ts.isStringLiteral(target) ? target.text : undefined;
}

/** Names that an exported statement declares; they must not change later, as importers take them once. */
function declared(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement) && statement.declarationList.flags & ts.NodeFlags.Const) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  const named = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement);
  if (!named || statement.name === undefined) throw refusal(statement);
  return [statement.name.text];
}

/** What V8 compiled for a mount's start and its usual requests. The rest it compiles when it is first called, as without a cache. */
async function bytecode(text: string): Promise<Buffer> {
  const script = new Script(text, { filename: join(cli, 'program.cjs') });
  await mountNothing(script.runInThisContext() as Program, cli);
  return script.createCachedData();
}

/** A server that starts meanwhile sees the old file or the new one. */
function publish(path: string, content: Buffer | string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

const directory = resolve(process.argv[2] ?? cli);
mkdirSync(directory, { recursive: true });
const text = new Bundle().text(entry);
const mark = `// ${createHash('sha256').update(text).digest('hex')}\n`;
const cache = Buffer.concat([Buffer.from(mark), await bytecode(mark + text)]);
for (const name of readdirSync(directory)) if (/^program\..*\.cache$/.test(name)) rmSync(join(directory, name));
publish(join(directory, `program.${process.versions.v8}-${process.arch}.cache`), cache);
publish(join(directory, 'program.cjs'), mark + text);
// The mount of nothing still waits for requests.
process.exit();
