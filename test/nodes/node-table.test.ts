// node table: ids are given once, nlookup counts what replies carried, forget ends a node.

import t from 'tap';
import { KernelNode, NodeTable } from '../../lib/nodes/node-table.js';

class Plain extends KernelNode {}

function table(): { nodes: NodeTable<Plain>; gone: Plain[]; root: Plain } {
  const gone: Plain[] = [];
  const nodes = new NodeTable<Plain>((node) => void gone.push(node));
  const root = new Plain();
  nodes.add(root);
  return { nodes, gone, root };
}

t.test('the first node is the root', async (t) => {
  const { nodes, root } = table();
  t.equal(root.id, 1);
  t.equal(nodes.get(1), root);
  t.throws(() => nodes.add(root), { name: 'AssertionFailure' }, 'a node gets one id');
});

t.test('remember and forget', async (t) => {
  const { nodes, gone } = table();
  const node = new Plain();
  nodes.remember(node);
  nodes.remember(node);
  t.match(node, { id: 2, nlookup: 2 });
  nodes.forget(2, 1);
  t.equal(nodes.get(2), node);
  nodes.forget(2, 1);
  t.equal(nodes.get(2), undefined);
  t.equal(node.id, 0);
  t.same(gone, [node]);
  t.equal(nodes.size, 1);
});

t.test('an id is never given twice', async (t) => {
  const { nodes } = table();
  const node = new Plain();
  nodes.remember(node);
  const { id } = node;
  nodes.forget(id, 1);
  nodes.remember(node);
  t.ok(node.id > id);
  t.equal(nodes.get(id), undefined);
});

t.test('the root is never forgotten', async (t) => {
  const { nodes, gone, root } = table();
  nodes.forget(1, 1000);
  t.equal(nodes.get(1), root);
  t.same(gone, []);
});

t.test('to forget what is not known is nothing, to forget too much is a broken invariant', async (t) => {
  const { nodes } = table();
  nodes.forget(99, 1);
  const node = new Plain();
  nodes.remember(node);
  t.throws(() => nodes.forget(node.id, 2), { name: 'AssertionFailure' });
  t.equal(nodes.get(node.id), node);
});

t.test('all', async (t) => {
  const { nodes, root } = table();
  const node = new Plain();
  nodes.remember(node);
  t.same([...nodes.all()], [root, node]);
});

t.test('of many nodes each is found, and what is forgotten leaves nothing', async (t) => {
  const { nodes, gone, root } = table();
  const many = Array.from({ length: 1000 }, () => new Plain());
  for (const node of many) nodes.remember(node);
  t.equal(nodes.size, 1001);
  t.ok(many.every((node, at) => node.id === at + 2 && nodes.get(node.id) === node));
  t.equal(nodes.get(1002), undefined);
  for (const { id } of many.filter((_, at) => at !== 500)) nodes.forget(id, 1);
  t.same([...nodes.all()], [root, many[500]]);
  t.equal(gone.length, 999);
  t.equal(nodes.size, 2);
});
