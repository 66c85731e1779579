// Server-sent events: one response that stays open, read by the browser's own EventSource.
// Notice: there is no code for reconnecting. EventSource comes back by itself and sends
// Last-Event-ID, which is the cursor.

import { Failure, at, parse } from '../chunk.js';
import { Queue } from '../queue.js';

const ATTEMPTS = 3; // EventSource itself would try for ever
export const HEARS = 'at first';

export async function* stream(url, { cursor = 0, signal, lost = () => {} } = {}) {
  const queue = new Queue(signal);
  const source = new EventSource(at(url, cursor));
  let request = 0;
  let failures = 0;
  let isNew = false; // connected, and not a word yet

  function take(event) {
    failures = 0;
    isNew = false;
    queue.push(parse(event.data, request));
  }

  source.addEventListener('message', take);
  source.addEventListener('end', take);
  source.addEventListener('open', () => {
    request += 1;
    isNew = true;
  });
  source.addEventListener('error', () => {
    failures += 1;
    // A stream that ends before its first event said only when to come back: the server is busy. No status can say
    // so, for one other than 200 closes an EventSource for good (WHATWG HTML 9.2.3), and the page is not told which.
    const failure = new Failure(isNew ? 'busy' : 'stream_cut');
    isNew = false;
    const isLost = source.readyState === EventSource.CLOSED || failures === ATTEMPTS || request === 0;
    if (isLost) queue.fail(failure);
    else lost(failure); // and back by itself
  });

  try {
    yield* queue.untilDone();
  } finally {
    source.close();
  }
}
