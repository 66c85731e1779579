// An attack that no page can carry out: the lab runs it, on two servers of its own, and tells what came of it.
// Notice: how long it takes is not known beforehand. That it goes on is shown by the seconds that pass.

import { post } from './play.js';
import { number, say } from './words.js';

// order: {probe, transport, defence} · context: {signal, tell}
export async function run(order, panes, { signal, tell }) {
  const began = performance.now();
  const pass = () => tell('busy', say('running', { s: number((performance.now() - began) / 1000) }));
  pass();
  const timer = setInterval(pass, 1000);
  try {
    const told = await post('/attacks/run', order, signal);
    for (const side of ['off', 'on']) show(panes[side], told[side]);
    tell('done', '');
  } finally {
    clearInterval(timer);
  }
}

function show(pane, { result, says, figures, evidence }) {
  pane.judge(result, says);
  if (figures.length) pane.table(figures);
  if (evidence) pane.folded(say('evidence'), JSON.stringify(evidence, null, 1));
}
