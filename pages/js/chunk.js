// A chunk as it stands on the wire, {"cursor":7,"text":"够"}, and how it is asked for.
// Notice: every transport carries this same JSON, so this is the only place that parses it.

// What went wrong, as the name of a sentence in words/*.json; `detail` is the server's own sentence.
export class Failure extends Error {
  constructor(word, detail = '') {
    super(detail || word);
    this.word = word;
    this.detail = detail;
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
export async function ask(url, cursor, request, signal) {
  try {
    const response = await reach(at(url, cursor), { signal });
    return response.status === 204 ? null : parse(await response.text(), request);
  } catch (error) {
    if (signal?.aborted) return null;
    throw error instanceof TypeError ? new Failure('server_unreachable') : error; // cut off inside the body
  }
}

// fetch, with both of its ways to fail turned into a sentence.
export async function reach(url, options = {}) {
  const response = await fetch(url, options).catch(() => { throw new Failure('server_unreachable'); });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({})); // RFC 9457, unless a proxy answered
  throw new Failure('refused', problem.detail ?? problem.title ?? `HTTP ${response.status}`);
}
