// Resuming: any transport, made to survive cuts. `resuming(stream)` is again a stream.
// Notice: the cursor is all there is to remember. After a cut, ask from the last one; what comes twice has a cursor
// that is not ahead, and its text is dropped.

import { Failure } from './chunk.js';

export const ATTEMPTS = 10; // failures in a row, without any progress between them
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const STABLE_MS = 5_000; // how long a connection must have been good for the next cut to count as a first one
const PATIENCE_MS = 60_000; // a server that wants us back even later has said no

// It takes two more options than the stream it wraps:
//   lost(failure)     is called at each failure that is not the last
//   explain(failure)  finds out more about an attempt that brought nothing; one that was refused is final
export function resuming(stream) {
  return async function* resumed(url, { cursor = 0, signal, lost = () => {}, explain = (failure) => failure, ...more } = {}) {
    let [failures, cuts, requests] = [0, 0, 0];
    for (;;) {
      const before = requests;
      let goodSince = null;
      try {
        for await (const chunk of stream(url, { cursor, signal, lost, ...more })) {
          if (chunk.error && !chunk.done) throw new Failure('busy', chunk.error, chunk.retry_ms);
          goodSince ??= performance.now();
          requests = before + chunk.request;
          const isAhead = chunk.cursor > cursor;
          if (isAhead) [cursor, failures] = [chunk.cursor, 0];
          yield isAhead || !chunk.text ? { ...chunk, cursor, request: requests } : repeated(chunk, cursor, requests);
        }
        return; // the end, or the reader has left
      } catch (error) {
        const failure = goodSince === null ? await explain(error) : error;
        if (signal?.aborted) return;
        failures += 1;
        if (goodSince !== null && performance.now() - goodSince >= STABLE_MS) cuts = 0;
        cuts += 1;
        if (failures === ATTEMPTS || isFinal(failure)) throw failure;
        lost(failure);
        requests = Math.max(requests, before + 1); // a request that brought nothing was one, too
        await pause(pauseMs(cuts, failure.retryMs), signal);
      }
    }
  };
}

// Anywhere between two bounds, of which the upper one doubles ("full jitter"): lanes that were all cut by the same
// fault would otherwise all come back in the same instant. From the third pause on it is never less than half a
// second, so that nobody asks more than twice in the half second after a cut.
export function pauseMs(cuts, retryMs = 0, random = Math.random) {
  const least = cuts < 3 ? 0 : FIRST_PAUSE_MS;
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (cuts - 1));
  return retryMs + least + random() * (most - least);
}

// Nothing of it is passed on but that it came.
function repeated({ text }, cursor, request) {
  return { cursor, text: '', request, repeated: text };
}

function isFinal(failure) {
  return !(failure instanceof Failure) || failure.word === 'refused' || failure.retryMs > PATIENCE_MS;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
