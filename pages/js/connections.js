// The six connections: over HTTP/1.1 a browser opens at most six to one host, for all its tabs together.
// Notice: a page is never told that it waits. While it lasts we infer it from silence; the exact time comes
// afterwards, from the browser's own Resource Timing.

const SILENCE_MS = 1500; // a healthy lane speaks long before
const LOOK_EVERY_MS = 250;
const NO_QUEUE_MS = 20; // what sending a request takes anyway

// Calls `held(lane)` for each of `readers()` that should have heard something by now and has not.
export function watchSilence(readers, held) {
  const behindSince = new Map();

  const lastSign = (lane) => lane.heardAt ?? lane.openedAt;

  // For each value of HEARS the moment from which silence is suspicious. 'at the end' has none.
  const suspiciousFrom = {
    'always': lastSign,
    'at first': (lane) => (lane.heardAt === null ? lane.openedAt : Infinity),
    'with text': (lane) => Math.max(behindSince.get(lane) ?? Infinity, lastSign(lane)),
  };

  function look() {
    const now = performance.now();
    const lanes = readers();
    const longest = Math.max(...lanes.map((lane) => lane.text.length));
    for (const lane of lanes.filter((each) => each.isLive)) {
      if (lane.text.length === longest) behindSince.delete(lane);
      else if (!behindSince.has(lane)) behindSince.set(lane, now);
      const from = suspiciousFrom[lane.transport.HEARS]?.(lane) ?? Infinity;
      if (now - from > SILENCE_MS) held(lane);
    }
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

// Calls `queued(path, ms)` with how long the requests to a path have stood in the browser's queue so far.
export function watchQueues(since, queued) {
  const total = new Map();
  const observer = new PerformanceObserver((list) => {
    for (const { name, startTime, fetchStart, requestStart } of list.getEntries()) {
      const wait = requestStart - fetchStart;
      if (startTime < since || wait < NO_QUEUE_MS) continue;
      const path = new URL(name).pathname;
      total.set(path, (total.get(path) ?? 0) + wait);
      queued(path, total.get(path));
    }
  });
  observer.observe({ type: 'resource' });
  return () => observer.disconnect();
}
