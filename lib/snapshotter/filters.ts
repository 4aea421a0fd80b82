// containerd's filter expressions: `name==web,labels."tier"==front`. A record passes when one of the expressions
// holds, an expression when all its comma-separated parts do. Pure.

import { SnapshotError, type SnapshotRecord } from './record.js';

type Test = (record: SnapshotRecord) => boolean;

const part =
  /\s*(?<field>[\w]+(?:\.(?:"(?:[^"\\]|\\.)*"|[\w./-]+))*)\s*(?:(?<operator>==|!=|~=)\s*(?<value>"(?:[^"\\]|\\.)*"|[^,]*))?\s*(?:,|$)/y;

function unquoted(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

/** The field's value in `record`; undefined when it has none. */
function fieldOf(field: string): (record: SnapshotRecord) => string | undefined {
  const dot = field.indexOf('.');
  const name = dot < 0 ? field : field.slice(0, dot);
  const rest = dot < 0 ? '' : unquoted(field.slice(dot + 1));
  switch (name) {
    case 'name':
      return (record) => record.key;
    case 'parent':
      return (record) => record.parent;
    case 'kind':
      return (record) => record.kind;
    case 'labels':
      return (record) => record.labels[rest];
    default:
      return () => undefined;
  }
}

function testOf(field: string, operator: string | undefined, value: string): Test {
  const read = fieldOf(field);
  if (operator === undefined) return (record) => (read(record) ?? '') !== '';
  if (operator === '==') return (record) => read(record) === value;
  if (operator === '!=') return (record) => read(record) !== value;
  const pattern = new RegExp(value);
  return (record) => pattern.test(read(record) ?? '');
}

function parse(expression: string): Test {
  const tests: Test[] = [];
  part.lastIndex = 0;
  while (part.lastIndex < expression.length) {
    const found = part.exec(expression)?.groups;
    if (found === undefined) throw new SnapshotError('invalid-argument', `filter '${expression}' is not understood`);
    tests.push(testOf(found.field as string, found.operator, unquoted(found.value ?? '')));
  }
  return (record) => tests.every((test) => test(record));
}

/** One test for all `expressions`; none passes everything. */
export function filterOf(expressions: readonly string[]): Test {
  try {
    const tests = expressions.filter((expression) => expression !== '').map(parse);
    return (record) => tests.length === 0 || tests.some((test) => test(record));
  } catch (error) {
    if (error instanceof SnapshotError) throw error;
    throw new SnapshotError('invalid-argument', `filter: ${(error as Error).message}`);
  }
}
