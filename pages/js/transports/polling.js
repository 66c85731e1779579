// Polling: ask, take what is there, wait a little, ask again.
// Notice: the loop is here, in the browser, and many of its questions are answered with
// "nothing new".

import { ask } from '../chunk.js';

export const INTERVAL_MS = 200;
export const HEARS = 'always';

export async function* stream(url, { cursor = 0, signal } = {}) {
  for (let request = 1; ; request += 1) {
    const chunk = await ask(url, cursor, request, signal);
    if (!chunk) return;
    yield chunk;
    if (chunk.done) return;
    cursor = chunk.cursor;
    await pause(INTERVAL_MS);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
