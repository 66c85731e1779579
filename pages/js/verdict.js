// The last sentence of a run: did every lane type the same text?
// Notice: equal texts are not enough. Each is also checked against the SHA-256 that the server took of what it wrote.

import { nameOf, say } from './words.js';

export function verdict(lanes) {
  if (lanes.length === 0) return say('verdict_nobody');
  const ended = lanes.filter((lane) => lane.state === 'done' || lane.state === 'stopped');
  const missing = lanes.filter((lane) => lane.state === 'failed');
  const wrong = ended.filter((lane) => lane.intact === false || lane.text !== ended[0].text);

  if (wrong.length > 0) return say('verdict_differ', { names: names(wrong) });
  if (ended.length === 0) return say('verdict_none');
  if (missing.length > 0) return say('verdict_missing', { n: ended.length, names: names(missing) });
  if (ended[0].text === '') return say('verdict_too_early');
  return say(ended.length > 1 ? 'verdict_identical' : 'verdict_one', { n: ended.length, proof: proof(ended) });
}

function proof([lane]) {
  const n = [...lane.text].length;
  return say(lane.sha256 ? 'proof' : 'proof_length', { n, sha256: lane.sha256.slice(0, 8) });
}

function names(lanes) {
  const list = new Intl.ListFormat(document.documentElement.lang);
  return list.format(lanes.map((lane) => nameOf(lane.name)));
}
