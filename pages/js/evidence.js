// The section of figures under the lanes: strips, waterfalls and counters of the present run.
// Notice: it only looks on. The lanes know nothing of it, and the more there is to draw, the less often it draws.

import { reach } from './chunk.js';
import { asJson, asPage, save } from './export.js';
import { Live } from './live.js';
import { listenToPicks, tellPick } from './pick.js';
import { drawWhileSeen } from './rhythm.js';
import { sceneOf } from './scene.js';
import { Strip, drawAxis, roomFor } from './strip.js';
import { fill } from './table.js';
import { notes, told, why } from './why.js';
import { Wire } from './wire.js';
import { number, say } from './words.js';

const DRAW_EVERY_MS = 100;
const MS_PER_READ = 0.02; // so much longer for each read there is

export class Evidence {
  #section = document.querySelector('[data-figures]');
  #axis = this.#section.querySelector('[data-axis]');
  #rows = new Map(); // by lane: {element, track, strip, table, loop}
  #wire = new Wire((name, read) => this.#mark(name, read));
  #lanes = [];
  #run = null;
  #live = null;
  #timeline = null;
  #facts = null; // of the run: {fields, pace, id, started, wasHidden}
  #scene = null;
  #width = 1000;
  #rest = () => {};

  constructor() {
    for (const element of this.#section.querySelectorAll('[data-strip]')) this.#addRow(element);
    drawAxis(this.#axis, roomFor(0));
    document.addEventListener('visibilitychange', () => this.#noteHidden());
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(this.#axis);
    this.#onExport('json', 'application/json', () => asJson(this.#facts, this.#scene, this.#notes()));
    this.#onExport('html', 'text/html', () => asPage(this.#facts, this.#section, verdict()));
  }

  // Which lanes are to be seen.
  choose(lanes) {
    this.#lanes = lanes;
    const names = lanes.map(({ name }) => name);
    for (const [name, { element, table }] of this.#rows) element.hidden = table.hidden = !names.includes(name);
    this.#wire.offer(names);
    this.#draw();
  }

  // Looks on at a run. `over` is fulfilled when its lanes have ended. setup: {fields, pace}
  async follow(run, over, setup) {
    this.#live?.close();
    this.#live = this.#timeline = null;
    this.#run = run;
    this.#facts = { ...setup, id: null, started: new Date(), wasHidden: document.hidden };
    this.#wire.close();
    this.#become('live');
    this.#rest = drawWhileSeen(this.#section, () => this.#draw(), () => this.#pause());
    const answer = await run.started.catch(() => null);
    if (answer && this.#isPresent(run)) await this.#watch(answer, run, over);
    if (run === this.#run) this.#become('done');
  }

  async #watch({ id }, run, over) {
    const live = this.#live = new Live(id);
    this.#facts.id = id;
    this.#wire.open(id, run);
    await over;
    if (!this.#isPresent(run)) return live.close();
    await live.settle();
    const timeline = live.isLost ? null : await timelineOf(id);
    if (run === this.#run) this.#timeline = timeline;
  }

  #isPresent(run) {
    return run === this.#run && !run.left;
  }

  #become(state) {
    this.#rest();
    this.#section.dataset.figures = state;
    for (const button of this.#section.querySelectorAll('[data-action^=export]')) {
      button.setAttribute('aria-disabled', String(state !== 'done'));
    }
    for (const { element, strip, loop } of this.#rows.values()) {
      strip.clear(); // at the end, too: by then the clocks are matched best
      element.querySelector('[data-why]').textContent = loop;
    }
    this.#draw();
  }

  #draw() {
    if (!this.#run) return;
    const isOver = this.#section.dataset.figures === 'done';
    this.#scene = sceneOf({
      lanes: this.#lanes,
      pressed: this.#run.pressed,
      live: this.#live,
      timeline: this.#timeline,
      pace: this.#facts.pace,
      now: performance.now(),
      isOver,
    });
    for (const lane of this.#scene.lanes) this.#drawLane(lane, this.#scene, isOver);
    drawAxis(this.#axis, this.#scene.end);
    this.#show('limit', say('legend_gap', { ms: number(this.#scene.limit) }));
    this.#show('notes', this.#notes().join(' '));
  }

  #drawLane(lane, { limit, end }, isOver) {
    const { element, track, strip, table } = this.#rows.get(lane.name);
    strip.draw(lane, end, this.#width);
    fill(table, lane.figures);
    track.setAttribute('aria-valuemax', lane.figures.tokens);
    if (!isOver) return;
    track.setAttribute('aria-label', told(lane, limit));
    element.querySelector('[data-why]').textContent = lane.why = why(lane);
  }

  #pause() {
    return DRAW_EVERY_MS + MS_PER_READ * this.#lanes.reduce((total, { reads }) => total + reads.length, 0);
  }

  #resize(width) {
    this.#width = width || 1000;
    this.#draw();
  }

  #notes() {
    const { fields, wasHidden } = this.#facts;
    return notes(this.#scene, { wasHidden, isLost: this.#live?.isLost, isAsked: 'prompt' in fields });
  }

  #noteHidden() {
    if (!document.hidden || this.#section.dataset.figures !== 'live') return;
    this.#facts.wasHidden = true;
    this.#draw();
  }

  #addRow(element) {
    const name = element.dataset.strip;
    const track = element.querySelector('[data-track]');
    const table = this.#section.querySelector(`[data-figure="${name}"]`);
    const loop = element.querySelector('[data-why]').textContent;
    this.#rows.set(name, { element, track, table, loop, strip: new Strip(track.querySelector('svg')) });
    const look = () => ({ reads: this.#lanes.find((lane) => lane.name === name).reads, end: this.#scene?.end });
    listenToPicks(track, look, { show: (read) => this.#wire.show(name, read), go: () => this.#wire.comeIntoView() });
  }

  // Marks the chosen read in its strip, and nothing in the others.
  #mark(chosen, read) {
    for (const [name, { strip, track }] of this.#rows) {
      strip.choose(name === chosen ? read : null);
      tellPick(track, name === chosen ? read : null);
    }
  }

  #show(name, text) {
    const part = this.#section.querySelector(`[data-${name}]`);
    if (part.textContent !== text) part.textContent = text;
  }

  #onExport(ending, type, content) {
    const button = this.#section.querySelector(`[data-action=export-${ending}]`);
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') === 'false') save(this.#facts, content(), type, ending);
    });
  }
}

function verdict() {
  return document.querySelector('[data-status]').textContent;
}

// The whole timeline, a part at a time; null where it cannot be had.
async function timelineOf(id) {
  const entries = [];
  try {
    for (;;) {
      const response = await reach(`/answers/${id}/timeline?cursor=${entries.length}`);
      const part = await response.json();
      entries.push(...part.entries);
      if (!part.more) return { ...part, entries };
    }
  } catch {
    return null;
  }
}
