// WebSocket: one connection that both sides may speak on.
// Notice: the only transport whose reader can talk back: `stop` goes up the socket that the
// text comes down. It has no HEARS, since a WebSocket takes none of the browser's six
// HTTP connections.

import { Failure, at, parse } from '../chunk.js';
import { Queue } from '../queue.js';

export const stopsInBand = true;

const TRY_AGAIN_LATER = 1013; // of the IANA registry of close codes
const LATER_MS = 1000;

export async function* stream(url, { cursor = 0, signal, stop } = {}) {
  const queue = new Queue(signal);
  const socket = new WebSocket(at(url, cursor).replace(/^http/, 'ws'));
  const opened = new Promise((resolve) => socket.addEventListener('open', resolve));
  const askToStop = () => opened.then(() => socket.send('{"stop":true}'));

  socket.addEventListener('message', (event) => queue.push(parse(event.data)));
  socket.addEventListener('close', ({ code, reason }) => {
    queue.fail(code === TRY_AGAIN_LATER ? new Failure('busy', reason, LATER_MS) : new Failure('stream_cut'));
  });
  if (stop?.aborted) askToStop();
  stop?.addEventListener('abort', askToStop);
  try {
    yield* queue.untilDone();
  } finally {
    stop?.removeEventListener('abort', askToStop);
    opened.then(() => socket.close()); // before it is open, the browser would log an error
  }
}
