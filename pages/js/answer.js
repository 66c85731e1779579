// The answer itself, over the HTTP API: start one, stop one, and ask why one cannot be read.
// Notice: nothing here reads text. Writing an answer and delivering it are separate things.

import { reach } from './chunk.js';

const EXPLAIN_MS = 5000;

// fields: what the form says, e.g. {preset: "edge", token_ms: 20} → {id, links: {sse: "/answers/ID/sse", …}}
export async function startAnswer(fields) {
  const body = JSON.stringify(fields);
  const response = await reach('/answers', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  return response.json();
}

// keepalive: it goes out even when the page that asks is just going away.
export async function stopAnswer(id) {
  await reach(`/answers/${id}`, { method: 'DELETE', keepalive: true });
}

// Cuts the cable between the answer and its readers: over one transport, or without a name over all of them.
// → {transports: ["sse", …], seconds: 3}
export async function cutCable(id, seconds, transport) {
  const body = JSON.stringify({ transport, seconds });
  const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
  return (await reach(`/answers/${id}/cuts`, options)).json();
}

// EventSource, iframe and WebSocket tell a page that they failed, never why. A plain request finds out more.
export async function explain(failure, id) {
  if (failure.word !== 'stream_cut' && failure.word !== 'stream_silent') return failure;
  return reach(`/answers/${id}`, { signal: AbortSignal.timeout(EXPLAIN_MS) }).then(() => failure, (reason) => reason);
}
