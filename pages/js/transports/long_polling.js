// Long polling: ask, and the server keeps the question until there is news; then ask again.
// Notice: it is polling.js without the pause. The waiting has moved to the server.

import { ask } from '../chunk.js';

export const HEARS = 'with text';

export async function* stream(url, { cursor = 0, signal } = {}) {
  for (let request = 1; ; request += 1) {
    const chunk = await ask(url, cursor, request, signal);
    if (!chunk) return;
    yield chunk;
    if (chunk.done) return;
    cursor = chunk.cursor;
  }
}
