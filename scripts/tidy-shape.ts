// The shape of one TypeScript file: how long it is, how long and how deep its functions are, how it opens, and that it
// silences no checker. Table literals are not counted: a function that only returns one may be any length.

import ts from 'typescript';
import type { Finding } from './tidy.js';

const longestFile = 400;
const longestFunction = 70;
const deepestNesting = 3;
const openingComment = { least: 1, most: 6 };
// Spelled in halves, so that this file does not find itself.
const suppressions = new RegExp(
  `${'biome'}-ignore|${'eslint'}-disable|@ts-${'(?:ignore|nocheck|expect-error)'}|${'prettier'}-ignore`,
);

function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isConstructorDeclaration(node) ||
    ts.isAccessor(node)
  );
}

function isBranch(node: ts.Node): boolean {
  return (
    ts.isIfStatement(node) ||
    ts.isIterationStatement(node, false) ||
    ts.isSwitchStatement(node) ||
    ts.isTryStatement(node)
  );
}

/** `else if` reads as one ladder, not as one step deeper. */
function isElseIf(node: ts.Node): boolean {
  return ts.isIfStatement(node) && ts.isIfStatement(node.parent) && node.parent.elseStatement === node;
}

function isTable(node: ts.Node): boolean {
  return ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node);
}

function linesBetween(tree: ts.SourceFile, start: number, end: number): number {
  return tree.getLineAndCharacterOfPosition(end).line - tree.getLineAndCharacterOfPosition(start).line + 1;
}

/** Lines that table literals without a function inside them take, beyond their first. */
function tableLines(tree: ts.SourceFile, within: ts.Node): number {
  let lines = 0;
  const visit = (node: ts.Node): void => {
    if (isTable(node) && !containsFunction(node)) lines += linesBetween(tree, node.getStart(), node.end) - 1;
    else ts.forEachChild(node, visit);
  };
  ts.forEachChild(within, visit);
  return lines;
}

function containsFunction(node: ts.Node): boolean {
  return ts.forEachChild(node, (child) => isFunction(child) || containsFunction(child)) ?? false;
}

/** How deep the branches of `body` stand in one another, not counting functions declared inside it. */
function nesting(node: ts.Node, depth: number): number {
  let deepest = depth;
  ts.forEachChild(node, (child) => {
    if (isFunction(child)) return;
    const inner = isBranch(child) && !isElseIf(child) ? depth + 1 : depth;
    deepest = Math.max(deepest, nesting(child, inner));
  });
  return deepest;
}

function nameOf(node: ts.FunctionLikeDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText();
  return ts.isConstructorDeclaration(node) ? 'constructor' : 'function';
}

/** A test's body is a list of statements with tests in it: only what it calls is measured, not the list. */
function isListOfTests(tree: ts.SourceFile, node: ts.FunctionLikeDeclaration): boolean {
  if (!tree.fileName.startsWith('test/') || !ts.isCallExpression(node.parent)) return false;
  return /^(?:t|tap)(?:\.test|\.before|\.teardown)?$/.test(node.parent.expression.getText()) && containsTests(node);
}

function containsTests(node: ts.Node): boolean {
  const isTest = (child: ts.Node): boolean =>
    ts.isCallExpression(child) && /^\w+\.test$/.test(child.expression.getText());
  return ts.forEachChild(node, (child) => isTest(child) || containsTests(child)) ?? false;
}

function functionFindings(tree: ts.SourceFile): Finding[] {
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    if (isFunction(node) && node.body !== undefined) {
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const lines = linesBetween(tree, node.getStart(), node.end) - tableLines(tree, node.body);
      const add = (message: string) => findings.push({ file: tree.fileName, line, message });
      if (lines > longestFunction && !isListOfTests(tree, node)) add(`${nameOf(node)} has ${lines} lines`);
      const depth = nesting(node.body, 0);
      if (depth > deepestNesting) add(`${nameOf(node)} is nested ${depth} deep`);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return findings;
}

function openingLines(text: string): number {
  const lines = text.replace(/^#!.*\n/, '').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return end < 0 ? lines.length : end;
}

function fileFindings(tree: ts.SourceFile): Finding[] {
  const findings: Finding[] = [];
  const file = tree.fileName;
  const lines = tree.text.replace(/\n$/, '').split('\n');
  const counted = lines.length - tableLines(tree, tree);
  if (counted > longestFile) findings.push({ file, line: 1, message: `has ${counted} lines` });
  const opening = openingLines(tree.text);
  if (file.startsWith('lib/') && (opening < openingComment.least || opening > openingComment.most)) {
    const message = `opens with ${opening} comment lines; ${openingComment.least} to ${openingComment.most} are wanted`;
    findings.push({ file, line: 1, message });
  }
  for (const [index, line] of lines.entries()) {
    if (suppressions.test(line)) findings.push({ file, line: index + 1, message: 'silences a checker' });
  }
  return findings;
}

/** What is wrong with the shape of one file. */
export function shapeFindings(tree: ts.SourceFile): Finding[] {
  return [...fileFindings(tree), ...functionFindings(tree)];
}
