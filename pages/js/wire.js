// Reveal the wire: the very bytes that crossed the socket for one read, each kind of them marked.
// Notice: they go into Text nodes and nowhere else, so whatever crossed the wire is only ever text here, too.

import { fromBase64, readable } from './bytes.js';
import { Failure, reach } from './chunk.js';
import { nameOf, number, say } from './words.js';

const MOST_QUOTED = 40;

export class Wire {
  #section = document.querySelector('[data-wire]');
  #marked;
  #id = null;
  #run = null;
  #chosen = { name: null, read: null };
  #asking = new AbortController();

  // marked(name, read): is told which read is shown; (null, null): none
  constructor(marked) {
    this.#marked = marked;
    for (const button of this.#lanes()) button.addEventListener('click', () => this.#turnTo(button.dataset.wireLane));
    this.#part('action=wire-previous').addEventListener('click', () => this.#step(-1));
    this.#part('action=wire-next').addEventListener('click', () => this.#step(1));
  }

  open(id, run) {
    this.#id = id;
    this.#run = run;
  }

  close() {
    this.#asking.abort();
    this.#id = this.#run = null;
    this.#choose(null, null);
    this.#show('', say('wire_hint'));
  }

  // Which lanes there are to choose from.
  offer(names) {
    for (const button of this.#lanes()) button.hidden = !names.includes(button.dataset.wireLane);
  }

  // Asks for the bytes of a read. When another is chosen meanwhile, that one is shown.
  async show(name, read) {
    if (!this.#id) return;
    this.#asking.abort();
    const { signal } = this.#asking = new AbortController();
    this.#choose(name, read);
    const query = new URLSearchParams({ transport: name, reader: 'page', token: read.first });
    try {
      const response = await reach(`/answers/${this.#id}/wire?${query}`, { signal });
      const wire = await response.json();
      if (!signal.aborted) this.#reveal(wire);
    } catch (failure) {
      if (signal.aborted) return;
      const { word, detail } = failure instanceof Failure ? failure : new Failure('server_unreachable');
      this.#show('', say(word, { detail }));
    }
  }

  // Unless its headline is to be seen as it is.
  comeIntoView() {
    const { top, bottom } = this.#part('headline').getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) this.#section.scrollIntoView({ block: 'start' });
  }

  #reveal(wire) {
    const own = wire.parts.filter(({ shared }) => !shared);
    const shared = wire.parts.filter((part) => part.shared);
    this.#show(where(wire), headline(wire), aside(wire));
    this.#part('blocks').replaceChildren(...blocks(own), ...blocks(shared));
  }

  #show(place, sentence, more = '') {
    this.#part('where').textContent = place;
    this.#part('headline').textContent = sentence;
    this.#part('aside').textContent = more;
    this.#part('blocks').replaceChildren();
  }

  #choose(name, read) {
    this.#chosen = { name, read };
    for (const button of this.#lanes()) button.setAttribute('aria-pressed', String(button.dataset.wireLane === name));
    this.#marked(name, read);
  }

  // The same token over another transport.
  #turnTo(name) {
    const reads = this.#readsOf(name);
    const token = this.#chosen.read?.first ?? 1;
    const read = reads.findLast(({ first }) => first <= token) ?? reads[0];
    if (read) this.show(name, read);
  }

  #step(by) {
    const { name, read } = this.#chosen;
    const reads = this.#readsOf(name);
    const next = reads[reads.indexOf(read) + by];
    if (next) this.show(name, next);
  }

  #readsOf(name) {
    return this.#run?.lanes.find((lane) => lane.name === name)?.reads ?? [];
  }

  #lanes() {
    return this.#section.querySelectorAll('[data-wire-lane]');
  }

  #part(name) {
    return this.#section.querySelector(`[data-${name}]`);
  }
}

function where({ transport, first, last, text }) {
  const values = { name: nameOf(transport), first: number(first), last: number(last), text: beginning(text) };
  return say(first === last ? 'wire_token' : 'wire_tokens', values);
}

// Escapes of JSON are not yours: what counts is the text that they stand for.
function headline({ bytes, text }) {
  return say('wire_headline', { bytes: number(bytes), yours: number(new TextEncoder().encode(text).length) });
}

function beginning(text) {
  const characters = [...text];
  return characters.length > MOST_QUOTED ? `${characters.slice(0, MOST_QUOTED).join('')}…` : text;
}

function aside({ shared_bytes, before }) {
  return [
    shared_bytes > 0 && say('wire_shared', { bytes: number(shared_bytes) }),
    before.requests > 0 && say('wire_before', { n: number(before.requests), bytes: number(before.bytes) }),
  ].filter(Boolean).join(' ');
}

// Parts that follow each other the same way, in the order of the wire.
function blocks(parts) {
  const runs = [];
  for (const part of parts) {
    if (runs.at(-1)?.[0].way === part.way) runs.at(-1).push(part);
    else runs.push([part]);
  }
  return runs.map(block);
}

function block(parts) {
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  const code = document.createElement('pre');
  const [{ way, shared }] = parts;
  const marked = parts.map(({ kind, data }) => [kind, fromBase64(data)]);
  const bytes = marked.reduce((total, [, { length }]) => total + length, 0);
  figure.dataset.way = way;
  figure.dataset.shared = shared;
  caption.textContent = say(`wire_${way}`, { bytes: number(bytes) }) + (shared ? ` · ${say('wire_once')}` : '');
  code.tabIndex = 0;
  code.dir = 'ltr';
  code.append(...marked.map(([kind, data]) => span(kind, data)));
  figure.append(caption, code);
  return figure;
}

function span(kind, data) {
  const element = document.createElement('span');
  element.dataset.kind = kind;
  element.append(...readable(data).map(({ text, isSign }) => (isSign ? sign(text) : text)));
  return element;
}

function sign(text) {
  const element = document.createElement('b');
  element.className = 'sign';
  element.textContent = text;
  return element;
}
