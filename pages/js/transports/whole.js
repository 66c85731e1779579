// The baseline without streaming: one request, one reply, when the answer has ended.
// Notice: nothing is wrong with it except the wait.

import { Failure, ask } from '../chunk.js';

export const HEARS = 'at the end';

const NO_LIMIT = null; // silence is all that is to be heard until then

export async function* stream(url, { cursor = 0, signal } = {}) {
  const chunk = await ask(url, cursor, 1, signal, NO_LIMIT);
  if (!chunk) return;
  yield chunk;
  if (!chunk.done) throw new Failure('stream_cut');
}
