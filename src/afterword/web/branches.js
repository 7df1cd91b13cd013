// The branches of a text as a tree: two texts share a path up to the character at which they fork.

/** Return a node: the units from `start` to `end` of `text`, the revisions whose text ends there, and its children. */
function node(tips, low, high, start) {
  const text = tips[low].text;
  const end = low + 1 === high ? text.length : common(text, tips[high - 1].text, start);
  const made = { text, start, end, ids: [], children: [], newest: 0 };
  let k = low;
  for (; k < high && tips[k].text.length === end; k += 1) made.ids.push(tips[k].id);
  while (k < high) {
    const from = k;
    const unit = tips[k].text.charCodeAt(end);
    // a pair of surrogates is one character: a fork must not separate its halves
    while (k < high && tips[k].text.charCodeAt(end) === unit && alikePair(tips[from].text, tips[k].text, end)) k += 1;
    made.children.push(node(tips, from, k, end));
  }
  made.newest = Math.max(...made.ids, ...made.children.map(child => child.newest));
  return made;
}

const isHigh = unit => unit >= 0xd800 && unit < 0xdc00;
const alikePair = (a, b, at) => !isHigh(a.charCodeAt(at)) || a[at + 1] === b[at + 1];

function common(a, b, from) {
  const most = Math.min(a.length, b.length);
  let k = from;
  while (k < most && a.charCodeAt(k) === b.charCodeAt(k)) k += 1;
  const differ = k < a.length || k < b.length;
  return differ && k > from && isHigh(a.charCodeAt(k - 1)) ? k - 1 : k;
}

/** Return the tree of `tips`, as `History.tips` returns them. */
export function tree(tips) {
  const sorted = [...tips].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));
  return node(sorted, 0, sorted.length, 0);
}

/**
 * Return the tree as rows from top to bottom: {id, cut, at, depth, piece, on, here}. The current path runs straight
 * down; a branch off it comes before its continuation, indented one step. `id` is the revision of the row's text, or
 * null if the row is only a fork, which is reached by cutting the text of revision `cut` at `at`.
 */
export function rows(tips, current) {
  const found = [];
  const holds = made => made.ids.includes(current) || made.children.some(holds);
  const walk = (made, depth, on) => {
    const here = made.ids.includes(current);
    found.push({
      id: here ? current : made.ids.length ? Math.max(...made.ids) : null,
      cut: made.newest,
      at: made.end,
      depth,
      piece: made.text.slice(made.start, made.end),
      on,
      here,
    });
    const children = [...made.children].sort((a, b) => b.newest - a.newest);
    const main = (on && children.find(holds)) || children[0];
    for (const child of children) if (child !== main) walk(child, depth + 1, false);
    if (main) walk(main, depth, on && holds(main));
  };
  walk(tree(tips), 0, true);
  return found;
}
