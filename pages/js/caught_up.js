// Marks in a lane's text what came in one jump when its cable was whole again.
// Notice: a highlight of CSS changes no element, so the text of a lane stays the answer and nothing else. Browsers
// without highlights show it unmarked.

const all = globalThis.Highlight && new Highlight();
if (all) CSS.highlights.set('caught-up', all);

const marks = new Map(); // lane → its ranges

// The last `length` code units of a text node.
export function mark(lane, node, length) {
  if (!all) return;
  const range = new StaticRange({
    startContainer: node, startOffset: node.length - length, endContainer: node, endOffset: node.length,
  });
  all.add(range);
  marks.set(lane, [...(marks.get(lane) ?? []), range]);
}

export function unmark(lane) {
  for (const range of marks.get(lane) ?? []) all.delete(range);
  marks.delete(lane);
}
