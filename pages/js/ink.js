// Paths that only ever get longer: what has been drawn once is not drawn again.
// Notice: a browser reads the whole of a path whenever it changes. So a new path is begun after some hundred items, and
// the old ones are left alone.

export const SVG = 'http://www.w3.org/2000/svg';

const MOST = 300;

export class Ink {
  #group;
  #names;
  #room = 0;
  #paths = []; // the present ones: {name, element, d}

  // names: one path for each, the last on top
  constructor(group, names) {
    this.#group = group;
    this.#names = names;
  }

  // draw(item) → {name: d, …}
  add(items, draw) {
    if (items.length === 0) return;
    for (const item of items) {
      if (this.#room === 0) this.#begin();
      const drawn = draw(item);
      for (const path of this.#paths) path.d += drawn[path.name] ?? '';
      this.#room -= 1;
    }
    this.#write();
  }

  clear() {
    this.#room = 0;
    this.#paths = [];
    this.#group.replaceChildren();
  }

  #begin() {
    this.#write();
    this.#room = MOST;
    this.#paths = this.#names.map((name) => {
      const element = document.createElementNS(SVG, 'path');
      element.setAttribute('class', name);
      return { name, element, d: '' };
    });
    this.#group.append(...this.#paths.map(({ element }) => element));
  }

  #write() {
    for (const { element, d } of this.#paths) element.setAttribute('d', d);
  }
}
