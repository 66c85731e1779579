// One attack on the page: its form, its two panes, and whatever goes on in them.
// Notice: there is one attempt at a time. To start another, or to leave, ends it through its AbortSignal.

import { Pane } from './pane.js';
import { play } from './play.js';
import { run } from './run.js';
import { say } from './words.js';

const KINDS = { play, run };

export class Card {
  #element;
  #form;
  #panes;
  #attempt = null;

  constructor(element) {
    this.#element = element;
    this.#form = element.querySelector('form');
    this.#panes = {};
    for (const side of element.querySelectorAll('[data-side]')) this.#panes[side.dataset.side] = new Pane(side);
    this.#form.querySelector('[name=transport]:enabled').checked = true; // the first that there is something to attack on
    // What came of an attempt belongs to what was chosen for it.
    this.#form.addEventListener('change', () => { this.leave(); this.#nameMeasure(); });
    this.#nameMeasure();
    this.#form.addEventListener('submit', (event) => { event.preventDefault(); this.#start(); });
    this.#form.querySelector('[data-action=stop]')?.addEventListener('click', () => this.#stop());
  }

  get id() {
    return this.#element.id;
  }

  leave() {
    this.#attempt?.abort();
    this.#attempt = null;
    this.#clear();
    this.#become('idle', say(`hint_${this.#element.dataset.kind}`));
  }

  async #start() {
    this.leave();
    const attempt = this.#attempt = new AbortController();
    const { transport, defence, stranger } = Object.fromEntries(new FormData(this.#form));
    const order = { probe: this.id, transport, defence };
    try {
      await KINDS[this.#element.dataset.kind](order, this.#panes, {
        signal: attempt.signal,
        stranger,
        tell: (state, words) => { if (attempt === this.#attempt) this.#become(state, words); },
      });
    } catch (error) {
      if (attempt === this.#attempt) this.#become('failed', say(error.word ?? 'attack_failed', { detail: error.detail ?? error.message }));
    }
  }

  // Which defence the two servers differ in.
  #nameMeasure() {
    const [option] = this.#form.elements.defence.selectedOptions;
    this.#panes.off.name(option.dataset.off);
    this.#panes.on.name(option.label);
  }

  #stop() {
    this.leave();
    this.#become('idle', say('stopped'));
  }

  #clear() {
    for (const pane of Object.values(this.#panes)) pane.clear();
  }

  #become(state, words) {
    this.#element.dataset.state = state;
    this.#element.querySelector('[data-status]').textContent = words;
    const stop = this.#form.querySelector('[data-action=stop]');
    if (stop) stop.hidden = state !== 'busy';
    if (state === 'done') this.#element.querySelector('.panes').scrollIntoView({ block: 'nearest' });
  }
}
