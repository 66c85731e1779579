// iframe: a hidden page that is never quite loaded; each chunk is a script that posts it here.
// Notice: any window may post messages to this one, so a message counts only if it comes
// from our own frame and our own origin.

import { Failure, at } from '../chunk.js';
import { Queue } from '../queue.js';

export const HEARS = 'at first';

export async function* stream(url, { cursor = 0, signal } = {}) {
  const queue = new Queue(signal);
  const frame = document.createElement('iframe');

  function take({ origin, source, data }) {
    if (origin !== location.origin) return;
    if (source === frame.contentWindow) queue.push({ ...data, request: 1 });
    if (source === window && data === frame.src) queue.fail(new Failure('stream_cut'));
  }

  // A page that is loaded before its last chunk was cut off. (Chromium fires no `load` when the
  // connection breaks; then only the silence tells.) But `load` overtakes messages that are
  // still on their way; a message to ourselves queues up behind them.
  frame.addEventListener('load', () => window.postMessage(frame.src, location.origin));
  window.addEventListener('message', take);
  frame.hidden = true;
  frame.src = at(url, cursor);
  document.body.append(frame);
  try {
    yield* queue.untilDone();
  } finally {
    window.removeEventListener('message', take);
    frame.remove();
  }
}
