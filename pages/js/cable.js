// The cable of one lane: when it was cut, when the lane came back, and what it caught up at once.
// Notice: nothing tells a page that its cable is whole again. Whatever it hears next does.

import { number, say } from './words.js';

export class Cable {
  state = ''; // '', 'cut' or 'back'
  #cutMs = null; // for how long; null: nobody cut it on purpose
  #brokeAt = 0; // all in the milliseconds of performance.now()
  #overAt = 0;
  #isLost = false; // the lane has noticed
  #isBusy = false; // the server would not have it yet
  #backMs = 0;
  #caughtUp = null; // tokens that came at once
  #repeated = 0; // chunks that came twice
  #isProved = false;

  // On purpose, for so long from now.
  cut(ms, now) {
    if (this.state !== 'cut') this.#break(now);
    this.#cutMs = ms;
    this.#overAt = now + ms;
  }

  // The lane has noticed that its connection broke, or that it cannot be had again yet.
  lose(isBusy, now) {
    this.#isBusy = isBusy;
    if (isBusy && this.state === '') return; // it never had one
    if (this.state !== 'cut') this.#break(now);
    this.#isLost = true;
  }

  // Something came, with so many new tokens. Gives whether they are what was caught up.
  hear(tokens, isRepeated, now) {
    this.#isBusy = false;
    this.#repeated += isRepeated ? 1 : 0;
    if (this.state === 'cut' && (this.#isLost || now >= this.#overAt)) this.#comeBack(now);
    if (this.state !== 'back' || this.#caughtUp !== null || tokens === 0) return false;
    this.#caughtUp = tokens;
    return true;
  }

  // The text has been held against the server's digest, and is the same.
  prove() {
    this.#isProved = true;
  }

  // What there is to say now; '' for nothing.
  story(now) {
    if (this.#isBusy) return say('cable_busy');
    if (this.state === '') return '';
    if (this.state === 'cut') return this.#away(now);
    const values = { ms: number(this.#backMs), n: number(this.#caughtUp ?? 0) };
    return [
      say(this.#cutMs === null ? 'cable_back' : 'cable_back_from_cut', values),
      this.#repeated > 0 && say('cable_repeated', { n: number(this.#repeated) }),
      this.#isProved && say('cable_proved'),
    ].filter(Boolean).join(' ');
  }

  #away(now) {
    if (this.#cutMs === null) return say('cable_lost');
    return now < this.#overAt ? say('cable_cut', { s: this.#cutMs / 1000 }) : say('cable_mended');
  }

  #break(now) {
    this.state = 'cut';
    this.#cutMs = null;
    this.#brokeAt = now;
    this.#isLost = false;
    this.#caughtUp = null;
  }

  #comeBack(now) {
    this.state = 'back';
    this.#backMs = Math.max(0, now - (this.#cutMs === null ? this.#brokeAt : this.#overAt));
  }
}
