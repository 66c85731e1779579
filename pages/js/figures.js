// The figures of one lane, from what the page saw (its reads) and what the server counted (its row of the ledger).
// Notice: a read brings all its tokens at one moment. So gaps lie between reads; inside of one they are zero.

const encoder = new TextEncoder();
const UNSEEN_MS = 34; // two frames of a screen: no eye sees a gap that is shorter

// lane: {reads, text} · row: of the ledger, or null · appended: when each token was written, ms after Start, or null
export function figures({ reads, text }, row, appended) {
  const tokens = sum(reads.map((read) => read.tokens));
  const text_bytes = encoder.encode(text).length;
  const bytes = row ? row.bytes_up + row.bytes_down : null;
  const lags = appended ? lagsOf(reads, appended) : [];
  return {
    ttft_ms: reads[0]?.at ?? null,
    end_ms: reads.at(-1)?.at ?? null,
    lag_ms: median(lags),
    largest_lag_ms: largest(lags),
    requests: row?.requests ?? null,
    deliveries: row?.chunks ?? null,
    connections: row?.connections ?? null,
    bytes_up: row?.bytes_up ?? null,
    bytes_down: row?.bytes_down ?? null,
    segments: row?.source === 'TCP_INFO' ? row.segments_up + row.segments_down : null,
    source: row?.source ?? null,
    text_bytes,
    tokens,
    reads: reads.length,
    bytes_per_token: ratio(bytes, tokens),
    overhead_factor: ratio(bytes, text_bytes),
    largest_gap_ms: largest(between(reads)),
    tokens_per_read: ratio(tokens, reads.length),
  };
}

// How many times the bytes of the cheapest, by name.
export function timesBest(rivals) {
  const bytes = rivals.filter(({ row }) => row).map(({ name, row }) => [name, row.bytes_up + row.bytes_down]);
  const best = Math.min(...bytes.map(([, each]) => each));
  return Object.fromEntries(bytes.map(([name, each]) => [name, each / best]));
}

// A gap is marked when it is over twice the pace. `pace`: ms per token, NaN for a recording that has its own.
export function gapLimit(pace, lanes, appended) {
  return Math.max(2 * (pace >= 0 ? pace : usualGap(lanes, appended)), UNSEEN_MS);
}

// The pace of a recording: from when its tokens were written, or, before that is known, from the busiest lane.
function usualGap(lanes, appended) {
  const most = (one, other) => (other.reads.length > one.length ? other.reads : one);
  const moments = appended?.map((at) => ({ at })) ?? lanes.reduce(most, []);
  return median(between(moments).filter((gap) => gap > 1)) ?? 0;
}

function lagsOf(reads, appended) {
  return reads.flatMap(({ at, first, tokens }) => appended.slice(first - 1, first - 1 + tokens).map((e) => at - e));
}

function between(moments) {
  return moments.slice(1).map(({ at }, n) => at - moments[n].at);
}

export function largest(values) {
  return values.reduce((most, value) => (most === null || value > most ? value : most), null);
}

export function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function ratio(one, other) {
  return one === null || !other ? null : one / other;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
