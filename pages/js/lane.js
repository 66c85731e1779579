// One lane of the page: what one transport has typed so far, and what that took.
// Notice: text goes into a Text node, never into HTML, so whatever an answer contains is only ever text.

import { explain } from './answer.js';
import { Cable } from './cable.js';
import { Failure } from './chunk.js';
import { mark, unmark } from './caught_up.js';
import { resuming } from './resume.js';
import { TRANSPORTS } from './transports/index.js';
import { say, seconds } from './words.js';

const STATE_OF = { finished: 'done', stopped: 'stopped', failed: 'failed' };
const LIVE = ['waiting', 'typing'];

export class Lane {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.transport;
    this.transport = TRANSPORTS[this.name];
    this.stream = resuming(this.transport.stream);
    this.clear('idle');
  }

  clear(state) {
    this.leaving?.abort(); // whatever it was reading until now
    this.leaving = new AbortController();
    this.heardAt = null;
    this.held = false;
    this.remarked = '';
    this.cable = new Cable();
    clearTimeout(this.mending);
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
    unmark(this);
    this.state = state;
    this.#tell();
  }

  // Reads the answer to its end. `pressed` is when Start was pressed: the one zero of all lanes.
  async follow(answer, pressed, stop) {
    const { signal } = this.leaving;
    this.openedAt = performance.now();
    const url = `${answer.links[this.name]}?reader=page`;
    const lost = (failure) => this.#lose(failure, signal);
    const asked = (failure) => explain(failure, answer.id);
    try {
      for await (const chunk of this.stream(url, { signal, stop, lost, explain: asked })) {
        if (signal.aborted) return;
        this.#take(chunk, pressed);
        if (chunk.done) await this.#finish(chunk, signal);
      }
      if (this.isLive && !signal.aborted) throw new Failure('stream_cut');
    } catch (failure) {
      if (!signal.aborted) this.fail(failure);
    }
  }

  leave() {
    if (this.isLive) this.clear('idle');
  }

  fail(failure) {
    this.state = 'failed';
    this.note(failure instanceof Failure ? this.#why(failure) : String(failure));
    this.#mark();
  }

  // To who reads an answer, a server that is not there any more, or does not know it, means that it is gone.
  #why({ word, status, detail }) {
    const gone = word === 'server_unreachable' ? 'server_gone' : status === 404 && 'answer_gone';
    return [say(gone || word, { detail }), this.text !== '' && say('not_whole')].filter(Boolean).join(' ');
  }

  note(sentence) {
    this.#show('note', sentence);
  }

  // Its cable has just been cut on purpose, for so long. That it is whole again, it will not hear: it will be.
  cut(ms, now) {
    if (!this.isLive) return;
    this.cable.cut(ms, now);
    clearTimeout(this.mending);
    this.mending = setTimeout(() => this.#tell(), ms);
    this.#tell();
  }

  get isCut() {
    return this.cable.state === 'cut';
  }

  // The browser makes it wait for a connection: so it seems, from its silence …
  hold() {
    if (this.isCut) return; // which explains the silence
    this.held = true;
    this.#tell();
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
    this.element.querySelector('[data-icon=state] use').setAttribute('href', `#state-${state}`);
    this.#part('action').setAttribute('aria-disabled', String(!this.isLive));
  }

  get isLive() {
    return LIVE.includes(this.state);
  }

  get text() {
    return this.typed.data;
  }

  #take(chunk, pressed) {
    this.heardAt = performance.now();
    this.held = false;
    this.#show('requests', chunk.request);
    const tokens = chunk.cursor - this.cursor - (chunk.done ? 1 : 0); // the end is an entry of the log, but no token
    const isCaughtUp = this.cable.hear(tokens, 'repeated' in chunk, this.heardAt);
    if (chunk.text !== '') this.#type(chunk, tokens, this.heardAt - pressed);
    if (isCaughtUp) mark(this, this.typed, chunk.text.length);
    this.cursor = chunk.cursor;
    this.#tell();
  }

  #type({ text }, tokens, at) {
    this.reads.push({ at, first: this.cursor + 1, tokens, text });
    this.#show('chunks', this.reads.length);
    if (this.reads.length === 1) {
      this.#show('ttft', say('milliseconds', { n: Math.round(at) }));
      this.state = 'typing';
    }
    this.typed.appendData(text);
  }

  // Its connection broke, and it is about to ask again.
  #lose(failure, signal) {
    if (signal.aborted) return;
    this.cable.lose(failure.word === 'busy', performance.now());
    this.held = false;
    this.#tell();
  }

  // Why its figures are not like the others'.
  #remark(sentence) {
    this.remarked = sentence;
    this.#tell();
  }

  // What is the matter right now goes before; but how it failed is the last word.
  #tell() {
    this.#mark();
    if (this.state === 'failed') return;
    const story = [this.cable.story(performance.now()), this.remarked].filter(Boolean).join(' ');
    this.note(this.held ? say('waits_for_connection') : story);
  }

  #mark() {
    if (this.cable.state === '' || this.state === 'failed') delete this.element.dataset.cable;
    else this.element.dataset.cable = this.cable.state;
  }

  async #finish(chunk, signal) {
    const sha256 = chunk.sha256 && await digest(this.text);
    if (signal.aborted) return;
    if (sha256) {
      this.sha256 = sha256;
      this.intact = sha256 === chunk.sha256;
      const isPart = this.intact && chunk.done === 'failed'; // of what was to come: no reason for a seal
      this.#show('seal', isPart ? '' : say(this.intact ? 'intact' : 'not_intact'));
      if (this.intact) this.cable.prove();
    }
    this.state = STATE_OF[chunk.done];
    this.#tell();
    if (chunk.done === 'failed') this.note(say('answer_failed', { detail: chunk.error }));
  }

  #part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }

  #show(name, value) {
    const part = this.#part(name);
    if (part.textContent !== String(value)) part.textContent = value;
  }
}

// '' where the browser offers no crypto: on plain http from another machine.
async function digest(text) {
  if (!crypto.subtle) return '';
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
