// The side socket of a run: what each lane has cost so far, pushed by the server, and how far its clock is from ours.
// Notice: it is a WebSocket, so it takes none of the six HTTP connections from the lanes, and no row counts it.
// Looking on changes nothing.

const PROBES = 8; // one of them hardly waits anywhere
const PROBE_EVERY_MS = 150;

export class Live {
  rows = new Map(); // transport → its row of the ledger
  spans = new Map(); // transport → its requests, [number, began_ms, ended_ms | null, tokens], by number
  clock = null; // {offset, error}: the server's milliseconds minus ours, and how wrong that may be
  isLost = false; // it broke off before all was known
  #socket;
  #probing;
  #opened;
  #settling = Infinity; // when it was asked for the last time
  #isSettling = false; // and what has been said since the answer is about all that the lanes did
  #booked = () => {};

  constructor(id) {
    this.#socket = new WebSocket(new URL(`/answers/${id}/live`, location.href).href.replace(/^http/, 'ws'));
    this.#socket.addEventListener('message', (event) => this.#hear(JSON.parse(event.data), performance.now()));
    this.#opened = new Promise((resolve) => this.#socket.addEventListener('open', resolve));
    this.#opened.then(() => this.#probe());
    this.ended = new Promise((resolve) => this.#socket.addEventListener('close', resolve));
    this.ended.then(() => clearInterval(this.#probing));
  }

  // Once no lane asks for anything any more: fulfilled when the last of its requests is booked.
  async settle() {
    const booked = new Promise((resolve) => { this.#booked = resolve; });
    await Promise.race([this.#opened, this.ended]);
    this.#settling = this.#ask();
    await Promise.race([booked, this.ended]);
    this.isLost = this.#socket.readyState !== WebSocket.OPEN;
    this.close();
  }

  // A socket that is still connecting cannot be closed without the browser logging an error.
  close() {
    this.#opened.then(() => this.#socket.close());
  }

  // A moment of the server's clock in ours.
  here(serverMs) {
    return serverMs - this.clock.offset;
  }

  spansOf(name) {
    return [...(this.spans.get(name)?.values() ?? [])];
  }

  #probe() {
    let left = PROBES;
    const probe = () => {
      this.#ask();
      left -= 1;
      if (left === 0) clearInterval(this.#probing);
    };
    this.#probing = setInterval(probe, PROBE_EVERY_MS);
    probe();
  }

  // What it says to this is new, and says what time it is there.
  #ask() {
    const clock = performance.now();
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ clock }));
    return clock;
  }

  #hear({ clock, now_ms, rows }, now) {
    if (clock !== undefined) this.clock = closest(this.clock, exchange(clock, now_ms, now));
    rows.filter(({ reader }) => reader === 'page').forEach((row) => this.#note(row));
    this.#isSettling ||= clock >= this.#settling;
    if (this.#isSettling && !this.#isUnderWay()) this.#booked();
  }

  #isUnderWay() {
    return [...this.spans.keys()].some((name) => this.spansOf(name).some(([, , ended_ms]) => ended_ms === null));
  }

  #note({ spans, ...row }) {
    const known = this.spans.get(row.transport) ?? new Map();
    for (const span of spans) known.set(span[0], span);
    this.spans.set(row.transport, known);
    this.rows.set(row.transport, row);
  }
}

// The server read its clock somewhere between our question and its answer; most likely half-way.
export function exchange(asked, serverMs, heard) {
  return { offset: serverMs - (asked + heard) / 2, error: (heard - asked) / 2 };
}

// The smallest round trip leaves the least room for error.
export function closest(one, other) {
  return one && one.error <= other.error ? one : other;
}
