// One of the two servers: what came of the attack in large words, and below it what there is to show.
// Notice: everything that is shown is put in as text. Half of it was written by an attacker.

import { say } from './words.js';

export class Pane {
  #element;
  #scene;

  constructor(element) {
    this.#element = element;
    this.#scene = element.querySelector('[data-scene]');
  }

  name(measure) {
    this.#part('measure').textContent = measure;
  }

  clear() {
    delete this.#element.dataset.result;
    delete this.#element.dataset.faded;
    this.#part('outcome').textContent = '';
    this.#part('verdict').textContent = '';
    this.#scene.replaceChildren();
  }

  // result: 'succeeded' | 'stopped' | 'could not run'; what stands in `marked` is shown as loot.
  judge(result, words, loot = '') {
    if (this.#element.dataset.result === result && this.#part('verdict').textContent === words) return;
    this.#element.dataset.result = result;
    this.#part('outcome').textContent = say(`outcome_${result.replaceAll(' ', '_')}`);
    this.#part('verdict').replaceChildren(...withMarks(words, loot));
  }

  // What came of it says nothing of the defence.
  fade() {
    this.#element.dataset.faded = '';
  }

  // A tab of a browser, in little. Gives its iframe.
  tab(words, url, kind) {
    const box = add(this.#scene, 'figure', { className: `tab ${kind}` });
    const bar = add(box, 'figcaption');
    add(bar, 'b', { textContent: words });
    add(bar, 'code', { textContent: shortened(url) });
    const frame = document.createElement('iframe');
    frame.title = words;
    frame.src = url;
    add(box, 'div').append(frame);
    return frame;
  }

  // A heading and lines of text below it, put in the place of what was there of that kind.
  lines(kind, words, lines) {
    const box = this.#scene.querySelector(`.${kind}`) ?? add(this.#scene, 'div', { className: kind });
    if (box.childElementCount === lines.length + 1) return; // a selection in it should stay
    box.replaceChildren();
    add(box, 'h4', { textContent: words });
    for (const line of lines) add(box, 'p', { textContent: line });
  }

  table(rows) {
    const body = add(add(this.#scene, 'table', { className: 'figures' }), 'tbody');
    for (const [name, value] of rows) {
      const row = add(body, 'tr');
      add(row, 'th', { textContent: name, scope: 'row' });
      add(row, 'td', { textContent: value });
    }
  }

  folded(words, text) {
    const box = add(this.#scene, 'details');
    add(box, 'summary', { textContent: words });
    add(box, 'pre', { textContent: text, tabIndex: 0 });
  }

  #part(name) {
    return this.#element.querySelector(`[data-${name}]`);
  }
}

function add(place, tag, properties = {}) {
  return place.appendChild(Object.assign(document.createElement(tag), properties));
}

function withMarks(words, loot) {
  if (!loot || !words.includes(loot)) return [words];
  const [before, ...after] = words.split(loot);
  return [before, Object.assign(document.createElement('mark'), { textContent: loot }), after.join(loot)];
}

// Host and path: what stands behind them is long, and only tells the page what to do.
function shortened(url) {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
