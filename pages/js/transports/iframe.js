// iframe: a hidden page that is never quite loaded; each chunk is a script that posts it out.
// Notice: it takes two frames, one inside the other. The inner one loads the chunks. If its connection breaks, no browser
// need tell it (Chromium does not); but the outer one has loaded when all in it has ended, in whatever way.

import { Failure, at } from '../chunk.js';
import { Queue } from '../queue.js';

export const HEARS = 'at first';

export async function* stream(url, { cursor = 0, signal } = {}) {
  const queue = new Queue(signal);
  const room = document.createElement('iframe');
  room.hidden = true;
  document.body.append(room);
  const inside = room.contentDocument;
  const frame = inside.createElement('iframe');
  frame.src = at(url, cursor);

  // Any window may post messages to this one, so one counts only if it comes from our own frame and our own origin.
  function take({ origin, source, data }) {
    if (origin !== location.origin) return;
    if (source === frame.contentWindow) queue.push({ ...data, request: 1 });
    if (source === window && data === frame.src) queue.fail(new Failure('stream_cut'));
  }

  inside.open(); // until close() it is loading, and forgets whoever listened before
  inside.write('<!doctype html><body>');
  inside.body.append(frame);
  room.contentWindow.addEventListener('message', take);
  // What is loaded before its last chunk was cut off. But `load` overtakes messages that are still on their way; a
  // message of our own queues up behind them.
  room.addEventListener('load', () => room.contentWindow.postMessage(frame.src, location.origin));
  inside.close();
  try {
    yield* queue.untilDone();
  } finally {
    room.remove();
  }
}
