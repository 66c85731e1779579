// One lane of the page: what one transport has typed so far, and what that took.
// Notice: text goes into a Text node, never into HTML, so whatever an answer contains is only ever text.

import { explain } from './answer.js';
import { Failure } from './chunk.js';
import { TRANSPORTS } from './transports/index.js';
import { say, seconds } from './words.js';

const STATE_OF = { finished: 'done', stopped: 'stopped', failed: 'failed' };
const LIVE = ['waiting', 'typing'];

export class Lane {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.transport;
    this.transport = TRANSPORTS[this.name];
    this.clear('idle');
  }

  clear(state) {
    this.leaving?.abort(); // whatever it was reading until now
    this.leaving = new AbortController();
    this.heardAt = null;
    this.held = false;
    this.remarked = '';
    this.intact = null;
    this.sha256 = '';
    this.reads = []; // {at, first, tokens, text}: ms after Start, and which tokens came
    this.cursor = 0;
    this.typed = document.createTextNode('');
    this.#part('text').replaceChildren(this.typed);
    this.#show('ttft', '–');
    this.#show('requests', '–');
    this.#show('chunks', '–');
    this.#show('seal', '');
    this.note('');
    this.state = state;
  }

  // Reads the answer to its end. `pressed` is when Start was pressed: the one zero of all lanes.
  async follow(answer, pressed, stop) {
    const { signal } = this.leaving;
    this.openedAt = performance.now();
    const url = `${answer.links[this.name]}?reader=page`;
    try {
      for await (const chunk of this.transport.stream(url, { signal, stop })) {
        if (signal.aborted) return;
        this.#take(chunk, pressed);
        if (chunk.done) await this.#finish(chunk, signal);
      }
      if (this.isLive && !signal.aborted) throw new Failure('stream_cut');
    } catch (failure) {
      const reason = await explain(failure, answer.id);
      if (!signal.aborted) this.fail(reason);
    }
  }

  leave() {
    if (this.isLive) this.clear('idle');
  }

  fail(failure) {
    this.note(failure instanceof Failure ? say(failure.word, { detail: failure.detail }) : String(failure));
    this.state = 'failed';
  }

  note(sentence) {
    this.#show('note', sentence);
  }

  // The browser makes it wait for a connection: so it seems, from its silence …
  hold() {
    this.held = true;
    this.note(say('waits_for_connection'));
  }

  // … and so it was, as the browser measured it.
  queued(ms) {
    this.#remark(say('waited_for_connection', { s: seconds(ms) }));
  }

  joined(ms) {
    this.#remark(say('joined', { s: seconds(ms) }));
  }

  get state() {
    return this.element.dataset.state;
  }

  set state(state) {
    this.element.dataset.state = state;
    this.#show('state-word', say(`state_${state}`));
    this.element.querySelector('use').setAttribute('href', `#state-${state}`);
  }

  get isLive() {
    return LIVE.includes(this.state);
  }

  get text() {
    return this.typed.data;
  }

  #take(chunk, pressed) {
    this.heardAt = performance.now();
    if (this.held) this.#release();
    this.#show('requests', chunk.request);
    if (chunk.text !== '') this.#type(chunk, this.heardAt - pressed);
    this.cursor = chunk.cursor;
  }

  // The end is an entry of the log of its own, but no token.
  #type({ cursor, text, done }, at) {
    const tokens = cursor - this.cursor - (done ? 1 : 0);
    this.reads.push({ at, first: this.cursor + 1, tokens, text });
    this.#show('chunks', this.reads.length);
    if (this.reads.length === 1) {
      this.#show('ttft', say('milliseconds', { n: Math.round(at) }));
      this.state = 'typing';
    }
    this.typed.appendData(text);
  }

  #release() {
    this.held = false;
    this.note(this.remarked);
  }

  // Why its figures are not like the others'. What is the matter right now goes before.
  #remark(sentence) {
    this.remarked = sentence;
    if (!this.held && this.state !== 'failed') this.note(sentence);
  }

  async #finish(chunk, signal) {
    const sha256 = chunk.sha256 && await digest(this.text);
    if (signal.aborted) return;
    if (sha256) {
      this.sha256 = sha256;
      this.intact = sha256 === chunk.sha256;
      this.#show('seal', say(this.intact ? 'intact' : 'not_intact'));
    }
    if (chunk.done === 'failed') this.note(say('answer_failed', { detail: chunk.error }));
    this.state = STATE_OF[chunk.done];
  }

  #part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }

  #show(name, value) {
    this.#part(name).textContent = value;
  }
}

// '' where the browser offers no crypto: on plain http from another machine.
async function digest(text) {
  if (!crypto.subtle) return '';
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
