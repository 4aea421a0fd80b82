// Where redirects lead: relative and absolute, over directories that are redirected or opaque themselves.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { LayerFile } from '../../lib/union/dir-fds.js';
import { LayerSearch, lookIn } from '../../lib/union/layer-search.js';
import { dir, file, symlink, type TreeSpec, whiteout } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const redirect = (to: string, children: TreeSpec = {}) => dir(children, { xattrs: { 'trusted.overlay.redirect': to } });

/** What a search for `to`, read in the upper, finds. */
function find(w: TempUnion, to: string, parent = ''): string | null {
  const search = new LayerSearch(w.u, w.dir(parent), 'name');
  search.redirect('a test', to);
  const found = search.next(w.u.layers[0] as never);
  return found === null ? null : `${found}`.slice(w.base.length);
}

const onTheWay = {
  lowers: [
    { new: redirect('/old'), near: dir({ beside: redirect('here') }), old: dir({ f: file('another') }) },
    { old: dir({ g: file('') }), near: dir({ here: dir({ h: file('') }) }), new: dir({ g: file('wrong') }) },
  ],
};
unionTest(t, 'a redirect on the way is followed in the layers below it', onTheWay, (t, w) => {
  t.equal(find(w, '/new/g'), '/lower1/old/g');
  t.equal(find(w, '/near/beside/h'), '/lower1/near/here/h');
  t.equal(find(w, '/old/f'), '/lower0/old/f', 'without one on the way, the path is the path');
});

const hidden = {
  lowers: [
    {
      cut: dir({}, { opaque: 'trusted' }),
      gone: whiteout(),
      wh: dir({ '.wh.f': '' }),
      x: dir({ f: whiteout('xattr-trusted') }),
    },
    { cut: dir({ f: '' }), gone: dir({ f: '' }), wh: dir({ f: '' }), x: dir({ f: '' }), link: symlink('cut') },
  ],
};
unionTest(t, 'whatever hides a name ends the search', hidden, (t, w) => {
  for (const path of ['/cut/f', '/gone/f', '/wh/f', '/x/f', '/link/f', '/none']) t.equal(find(w, path), null, path);
});

unionTest(t, 'a name beside, then a path, then a name beside that', onTheWay, (t, w) => {
  const search = new LayerSearch(w.u, w.dir(''), 'x');
  search.redirect('a test', 'old');
  t.equal(search.path, null);
  t.match(search.next(w.u.layers[1] as never), { name: 'old', layer: { index: 2 } });
  search.redirect('a test', '/old/f');
  search.redirect('a test', 'g');
  t.same(search.path, ['old', 'g']);
  t.ok(search.next(w.u.layers[1] as never) instanceof LayerFile);
});

unionTest(t, 'redirects that cannot be meant', onTheWay, (t, w) => {
  for (const bad of ['', '/', '/a//b', '/a/', '/a/../b', '.', 'a/b', `/${'x'.repeat(4096)}`, 'a\0b']) {
    t.equal(
      codeOf(() => find(w, bad)),
      errno.EIO,
      JSON.stringify(bad.slice(0, 12)),
    );
  }
});

unionTest(t, 'one name in one directory', hidden, (t, w) => {
  const [top, low] = w.dir('').stack.slice(1) as [never, never];
  t.equal(lookIn(w.u, top, 'none'), 'nothing');
  t.equal(lookIn(w.u, top, 'gone'), 'stop');
  t.equal(lookIn(w.u, low, 'link'), 'stop');
  t.match(lookIn(w.u, low, 'cut'), { name: 'cut' });
});
