// Server-sent events: one response that stays open, read by the browser's own EventSource.
// Notice: there is no code for reconnecting. EventSource comes back by itself and sends
// Last-Event-ID, which is the cursor.

import { Failure, at, parse } from '../chunk.js';
import { Queue } from '../queue.js';

export const ATTEMPTS = 3; // EventSource itself would try for ever
export const HEARS = 'at first';

export async function* stream(url, { cursor = 0, signal } = {}) {
  const queue = new Queue(signal);
  const source = new EventSource(at(url, cursor));
  let request = 0;
  let failures = 0;

  const take = (event) => queue.push(parse(event.data, request));
  source.addEventListener('message', take);
  source.addEventListener('end', take);
  source.addEventListener('open', () => {
    request += 1;
    failures = 0;
  });
  source.addEventListener('error', () => {
    failures += 1;
    // WHATWG HTML 9.2.3: a status other than 200 closes it for good; the page is not told which.
    const lost = source.readyState === EventSource.CLOSED || failures > ATTEMPTS;
    if (lost) queue.fail(new Failure('stream_cut'));
  });

  try {
    for await (const chunk of queue.untilDone()) {
      const seen = chunk.cursor < cursor || (chunk.cursor === cursor && chunk.text !== '');
      if (seen) continue; // sent again after a reconnect
      cursor = chunk.cursor;
      yield chunk;
    }
  } finally {
    source.close();
  }
}
