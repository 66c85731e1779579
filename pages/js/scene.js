// All that is known of a run at one moment, every time of it in milliseconds after Start: what is drawn, and what is
// exported.
// Notice: three witnesses meet here. The page saw the reads, the server counted the bytes, and the timeline says when
// each token was written. Only the clock that they share makes them one picture.

import { figures, gapLimit, largest, median, timesBest } from './figures.js';
import { gaps, roomFor } from './strip.js';

// timeline: of the server, null until the run is over
export function sceneOf({ lanes, pressed, live, timeline, pace, now, isOver }) {
  const here = live?.clock ? (serverMs) => live.here(serverMs) - pressed : null;
  const written = timeline && here && writtenTokens(timeline);
  const appended = written?.map(({ appended_ms }) => here(appended_ms)) ?? null;
  const limit = gapLimit(pace, lanes, appended);
  const shown = lanes.map((lane) => one(lane, { live, here, appended, limit, now: now - pressed }));
  const best = timesBest(shown.filter(competes));
  for (const each of shown) each.figures.times_best = best[each.name] ?? null;
  return {
    lanes: shown,
    limit,
    end: isOver ? lastOf(shown) : roomFor(now - pressed),
    paused_ms: Math.max(0, ...gaps((appended ?? []).map((at) => ({ at })), limit).map(([from, to]) => to - from)),
    due_ms: written?.map(({ due_ms }) => here(due_ms)) ?? null,
    appended_ms: appended,
    clock: live?.clock ?? null,
    source: timeline && sourceOf(timeline),
  };
}

function one(lane, { live, here, appended, limit, now }) {
  const row = live?.rows.get(lane.name) ?? null;
  const spans = here ? live.spansOf(lane.name).map((span) => inPageTime(span, here, now)) : [];
  return {
    name: lane.name,
    state: lane.state,
    intact: lane.intact,
    text: lane.text,
    reads: lane.reads,
    spans,
    row,
    gaps: gaps(lane.reads, limit),
    figures: figures(lane, row, appended),
  };
}

function inPageTime([number, began_ms, ended_ms, tokens], here, now) {
  const open = ended_ms === null;
  const from = Math.max(0, here(began_ms));
  return { number, from, to: Math.max(from, open ? now : here(ended_ms)), open, tokens };
}

// When the source had its tokens, which is the same for all lanes: milliseconds to the first, and from one to the next.
function sourceOf({ started_ms, entries }) {
  const due = writtenTokens({ entries }).map(({ due_ms }) => due_ms);
  const pauses = due.slice(1).map((at, n) => at - due[n]);
  return due.length > 0 ? { ttft_ms: due[0] - started_ms, gap_ms: median(pauses), largest_gap_ms: largest(pauses) } : null;
}

// The end is an entry, but no token.
function writtenTokens({ entries }) {
  return entries.filter(({ text }) => text !== '');
}

// A lane that failed, or has brought nothing yet, is cheap for a bad reason.
function competes({ state, figures }) {
  return state !== 'failed' && figures.tokens > 0;
}

function lastOf(shown) {
  const ends = shown.flatMap(({ reads, spans }) => [reads.at(-1)?.at ?? 0, ...spans.map(({ to }) => to)]);
  return Math.max(100, ...ends.map((at) => at * 1.015));
}
