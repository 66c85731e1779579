// A chunk as it stands on the wire, {"cursor":7,"text":"够"}, and how it is asked for.
// Notice: every transport carries this same JSON, so this is the only place that parses it.

// Any connection says something more often than this: a stream every 15 seconds, a held question after 25.
export const SILENCE_MS = 40_000;

// What went wrong, as the name of a sentence in words/*.json; `detail` is the server's own sentence, `retryMs` how long
// it asks us to wait before we come back, and `status` its HTTP status, where there is one.
export class Failure extends Error {
  constructor(word, detail = '', retryMs = 0, status = 0) {
    super(detail || word);
    this.word = word;
    this.status = status;
    this.detail = detail;
    this.retryMs = retryMs;
  }
}

export function parse(json, request = 1) {
  return { ...JSON.parse(json), request };
}

export function at(url, cursor) {
  const target = new URL(url, location.href);
  target.searchParams.set('cursor', cursor);
  return target.href;
}

// One request, one chunk: what polling, long_polling and whole have in common.
// null: the reader has left, or there is nothing left to read.
export async function ask(url, cursor, request, signal, silence = AbortSignal.timeout(SILENCE_MS)) {
  try {
    const either = AbortSignal.any([signal, silence].filter(Boolean));
    const response = await reach(at(url, cursor), { signal: either });
    return response.status === 204 ? null : parse(await response.text(), request);
  } catch (error) {
    if (signal?.aborted) return null;
    if (silence?.aborted) throw new Failure('stream_silent');
    throw error instanceof TypeError ? new Failure('server_unreachable') : error; // cut off inside the body
  }
}

// fetch, with all of its ways to fail turned into a sentence. Busy is not refused: it passes.
export async function reach(url, options = {}) {
  const response = await fetch(url, options).catch(() => { throw new Failure('server_unreachable'); });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({})); // RFC 9457, unless a proxy answered
  const detail = problem.detail ?? problem.title ?? `HTTP ${response.status}`;
  if (![429, 503].includes(response.status)) throw new Failure('refused', detail, 0, response.status);
  throw new Failure('busy', detail, 1000 * (Number.parseInt(response.headers.get('Retry-After'), 10) || 0));
}
