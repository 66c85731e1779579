// One sentence for each lane: what is to be seen in its strip, and why, with the lane's own figures in it.
// Notice: a transport without a sentence of its own (a new one) gets one that is true of all.

import { knows, nameOf, number, say, seconds } from './words.js';

export function why({ name, figures }) {
  const { requests, deliveries, tokens, reads, text_bytes, bytes_up, bytes_down, ttft_ms } = figures;
  if (reads === 0) return say('why_nothing');
  if (requests === null) return say('why_uncounted');
  const around = (bytes_up + bytes_down - text_bytes) / reads;
  return say(knows(`why_${name}`) ? `why_${name}` : 'why_other', {
    asked: requests === 1 ? say('one_request') : say('many_requests', { n: number(requests) }),
    requests: number(requests),
    empty: number(Math.max(0, requests - deliveries)),
    tokens: number(tokens),
    reads: number(reads),
    around: number(around),
    text: short(text_bytes / reads),
    wait: number(figures.largest_lag_ms ?? figures.largest_gap_ms ?? 0),
    s: seconds(ttft_ms),
  });
}

// The strip for who cannot see it.
export function told({ name, figures, gaps }, limit) {
  const { tokens, reads, ttft_ms, end_ms, requests } = figures;
  if (reads === 0) return say('strip_empty', { name: nameOf(name) });
  return say('strip_told', {
    name: nameOf(name),
    tokens: number(tokens),
    reads: number(reads),
    requests: number(requests ?? 0),
    from: seconds(ttft_ms),
    to: seconds(end_ms),
    gaps: number(gaps.length),
    limit: number(limit),
  });
}

// What is to be known of all the figures.
export function notes({ lanes, clock, paused_ms, source: written }, { wasHidden, isLost, isAsked }) {
  const counted = lanes.map(({ figures }) => figures).filter(({ source }) => source);
  return [
    wasHidden && say('note_hidden'),
    isLost && say('note_lost'),
    lanes.some(isCutShort) && say('note_room'),
    again(lanes),
    isAsked && written && ofModel(written),
    paused_ms > 0 && say('note_paused', { ms: number(paused_ms) }),
    counted.length > 0 && source(counted),
    clock && say('note_clock', { ms: number(clock.error, 1) }),
    location.protocol === 'https:' && say('note_tls'),
  ].filter(Boolean);
}

// The server keeps so much of the traffic of one answer and no more.
function isCutShort({ figures, spans }) {
  return spans.length > 0 && spans.length < figures.requests;
}

// A lane that left and came back has read the beginning twice, and its row holds both readings.
function again(lanes) {
  const twice = lanes.filter(({ state, row, figures }) => state === 'done' && row?.tokens > figures.tokens);
  const names = twice.map(({ name }) => nameOf(name));
  return names.length > 0 && say('note_again', { names: names.join(', ') });
}

// What is the model's doing, and in every lane alike.
function ofModel({ ttft_ms, gap_ms, largest_gap_ms }) {
  return say('note_model', { ttft: number(ttft_ms), gap: number(gap_ms ?? 0, 1), max: number(largest_gap_ms ?? 0) });
}

function source(counted) {
  if (counted.some((each) => each.source !== 'TCP_INFO')) return say('note_asyncio');
  return say('note_kernel', { segments: number(counted.reduce((total, { segments }) => total + segments, 0)) });
}

function short(value) {
  const rounded = Math.round(value * 10) / 10;
  return number(rounded, Number.isInteger(rounded) ? 0 : 1);
}
