// The token strip of a lane, and below it the waterfall of its requests, on one time axis from Start.
// Notice: x is milliseconds in all paths. Only the viewBox says how many fit, so a longer axis or a wider window redraws
// nothing, and a lane of thousands of tokens is a handful of elements.

import { Ink, SVG } from './ink.js';

const FLOOR = 58; // of the strip; y is a percentage of the height
const TICK = 19; // of that: one token, when there is room
const WAIT = 48;
const CAP = 6;
const MARGIN_PX = 5;
const BAR = { top: 72, bottom: 94 };
const EMPTY_BAR = { top: 78, bottom: 88 };

// A tick for each token of a read; they came at one moment, so they stand on each other.
export function ticks({ at, tokens }) {
  const height = heightOf(tokens);
  const tick = height - (height > 4 ? Math.min(2.5, height / 3) : 0); // too small a gap is only a blur
  return Array.from({ length: tokens }, (_, n) => `M${ms(at)} ${y(FLOOR - n * height)}v${y(-tick)}`).join('');
}

// The bar that joins them.
export function joint({ at, tokens }) {
  return `M${ms(at)} ${FLOOR}v${y(-(tokens - 0.3) * heightOf(tokens))}`;
}

function heightOf(tokens) {
  return Math.min(TICK, (FLOOR - 2) / tokens);
}

// The times without news that were longer than `limit`: [from, to].
export function gaps(reads, limit) {
  return reads.slice(1).map(({ at }, n) => [reads[n].at, at]).filter(([from, to]) => to - from > limit);
}

// Drawn as a draughtsman draws a distance, so that it is told by its shape: |– –|. `margin` keeps it off the ticks.
export function gapMarks(found, margin) {
  const cap = (x) => `M${ms(x)} ${WAIT - CAP}v${2 * CAP}`;
  const ends = found.map(([from, to]) => (to - from > 4 * margin ? [from + margin, to - margin] : [from, to]));
  return {
    gap: ends.map(([from, to]) => `M${ms(from)} ${WAIT}H${ms(to)}`).join(''),
    'gap-caps': ends.map(([from, to]) => cap(from) + cap(to)).join(''),
  };
}

// A request: an edge where it began, and its length. One that brought no token is lower.
export function bar({ from, to, open, tokens }) {
  const isEmpty = tokens === 0 && !open;
  const { top, bottom } = isEmpty ? EMPTY_BAR : BAR;
  return {
    [isEmpty ? 'empty' : 'news']: `M${ms(from)} ${top}H${ms(to)}V${bottom}H${ms(from)}Z`,
    [isEmpty ? 'empty-edges' : 'edges']: `M${ms(from)} ${top - 2}V${bottom + 2}`,
  };
}

// Where the axis is labelled: at round numbers, at most about eight of them.
export function marks(end) {
  const steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  const step = steps.find((each) => end / each <= 9) ?? 3_600_000;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, n) => n * step);
}

// How long the axis is while nobody knows how long it must be: it grows in steps, not with every frame.
export function roomFor(now) {
  const ends = [2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 240, 300].map((s) => s * 1000);
  return ends.find((end) => now < end * 0.97) ?? Math.ceil(now / 300_000 + 0.1) * 300_000;
}

// The read that is nearest to a moment.
export function nearest(reads, at) {
  return reads.reduce((best, read) => (Math.abs(read.at - at) < Math.abs(best.at - at) ? read : best), reads[0]);
}

// The labels under the strips.
export function drawAxis(svg, end) {
  if (svg.dataset.end === String(end)) return;
  svg.dataset.end = end;
  svg.replaceChildren(...marks(end).map((at) => {
    const label = document.createElementNS(SVG, 'text');
    label.setAttribute('x', `${y((at / end) * 100)}%`);
    label.setAttribute('y', '1em');
    if (at > 0) label.setAttribute('text-anchor', 'middle');
    label.textContent = at / 1000;
    return label;
  }));
}

// Ticks that stand close are drawn thin.
function density(reads, pixelsPerMs) {
  const [first, last] = [reads[0], reads.at(-1)];
  const room = reads.length > 1 ? ((last.at - first.at) / (reads.length - 1)) * pixelsPerMs : Infinity;
  if (room < 2.5) return 'dense';
  return room < 7 ? 'close' : 'wide';
}

export class Strip {
  #reads = 0;
  #requests = new Set();

  constructor(svg) {
    this.svg = svg;
    this.ticks = new Ink(svg.querySelector('.ticks'), ['joint', 'tick']);
    this.bars = new Ink(svg.querySelector('.bars'), ['empty', 'news', 'empty-edges', 'edges']);
  }

  // What has happened stays as it was drawn; only what is still open, and the gaps, are drawn again.
  draw({ reads, spans, gaps: found }, end, width) {
    if (reads.length < this.#reads) this.clear();
    this.ticks.add(reads.slice(this.#reads), (read) => ({ joint: joint(read), tick: ticks(read) }));
    this.#reads = reads.length;
    const over = spans.filter(({ open, number }) => !open && !this.#requests.has(number));
    over.forEach(({ number }) => this.#requests.add(number));
    this.bars.add(over, bar);
    const paths = { ...openBars(spans), ...gapMarks(found, (MARGIN_PX * end) / width) };
    for (const [name, d] of Object.entries(paths)) this.#set(name, d);
    this.#stretch(end, density(reads, width / end));
  }

  // Marks a read, or none.
  choose(read) {
    this.#set('chosen', read ? `M${ms(read.at)} 0V${FLOOR + 6}` : '');
  }

  clear() {
    this.#reads = 0;
    this.#requests.clear();
    this.ticks.clear();
    this.bars.clear();
  }

  #stretch(end, dense) {
    if (this.svg.dataset.density !== dense) this.svg.dataset.density = dense;
    const viewBox = `0 0 ${ms(end)} 100`;
    if (viewBox === this.svg.getAttribute('viewBox')) return;
    this.svg.setAttribute('viewBox', viewBox);
    this.#set('grid', marks(end).map((at) => `M${at} 0V100`).join(''));
  }

  #set(name, d) {
    const path = this.svg.querySelector(`.${name}`);
    if (path.getAttribute('d') !== d) path.setAttribute('d', d);
  }
}

function openBars(spans) {
  const drawn = spans.filter(({ open }) => open).map(bar);
  return { open: drawn.map(({ news }) => news).join(''), 'open-edges': drawn.map(({ edges }) => edges).join('') };
}

function ms(value) {
  return Math.round(value * 10) / 10;
}

function y(value) {
  return Math.round(value * 100) / 100;
}
