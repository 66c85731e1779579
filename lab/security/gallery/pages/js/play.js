// An attack in this very browser: on both servers the victim's tab is opened, and then the stranger's.
// Notice: the stranger's page says itself what it got; what it cannot see, the victim's page asks its server about.

import { reach } from './chunk.js';
import { say } from './words.js';

const PATIENCE_MS = 20_000;
const TAB = crypto.randomUUID(); // servers of its own: what another tab does must not count here

// order: {probe, transport, defence} · context: {signal, stranger, tell}
export async function play(order, panes, { signal, stranger, tell }) {
  tell('busy', say('playing'));
  const script = await post('/attacks/play', { ...order, tab: TAB }, signal);
  tell('busy', '');
  const sides = ['off', 'on'].map((side) => new Side(panes[side], script.sites[side], script, signal));
  const over = Promise.all(sides.map((side) => side.over));
  await Promise.all(sides.map((side) => side.openVictim()));
  const at = sides.find((side) => side.at)?.at ?? {};
  if (script.stranger) for (const side of sides) side.openStranger(stranger, at);
  if (script.clicked) tell('busy', say('click'));
  await within(script.clicked ? Infinity : PATIENCE_MS, over, signal); // a person may take their time
  const decided = !script.stranger || sides[0].result !== 'stopped';
  if (!decided) for (const pane of Object.values(panes)) pane.fade();
  const elsewhere = stranger && new URL(stranger).hostname !== location.hostname;
  tell('done', decided ? '' : say(elsewhere ? 'both_by_cookie' : 'both_by_other'));
}

export async function post(path, fields, signal) {
  const body = JSON.stringify(fields);
  const headers = { 'Content-Type': 'application/json' };
  return (await reach(`${path}?lang=${document.body.dataset.lang}`, { method: 'POST', headers, body, signal })).json();
}

// One of the two servers, with the victim and the stranger in it.
class Side {
  #pane;
  #site;
  #script;
  #signal;
  #told = {};
  #end;
  at = null;
  result = null; // the first is the last: what happens later is no part of the attack

  constructor(pane, site, script, signal) {
    this.over = new Promise((resolve) => { this.#end = resolve; });
    [this.#pane, this.#site, this.#script, this.#signal] = [pane, site, script, signal];
  }

  // Fulfilled when the victim has its answer; for an attack that is a text, when it has read it.
  openVictim() {
    const query = { ...this.#script.victim, lang: document.body.dataset.lang, measure: this.#script.clicked ? 'yes' : '' };
    const url = `${this.#site}/attacks/victim?${new URLSearchParams(query)}`;
    return new Promise((resolve, reject) => {
      const frame = this.#pane.tab(say('victim'), url, this.#script.stranger ? 'own' : 'tall');
      this.#listen(frame, this.#site, (told) => {
        if (told.failed) reject(new Error(told.failed));
        if (told.ready) [this.answer, this.at] = [told.answer, told.at];
        if (told.ready || told.over) resolve();
        this.#judge(told);
      });
    });
  }

  openStranger(origin, at) {
    const told = { ...this.#script.told, ...at, target: this.#site, answer: this.answer };
    const url = `${origin}/attack/${document.body.dataset.lang}/${this.#script.stranger}?${new URLSearchParams(told)}`;
    const frame = this.#pane.tab(say('stranger'), url, 'stranger');
    this.#listen(frame, origin, ({ got }) => this.#judge({ got, looks: 0 }));
  }

  #listen(frame, origin, hear) {
    const heard = (event) => { if (event.source === frame.contentWindow && event.origin === origin) hear(event.data); };
    addEventListener('message', heard, { signal: this.#signal });
  }

  #judge(news) {
    const told = Object.assign(this.#told, news);
    if (news.strangers) told.looks += 1;
    const { goal, canary, clicked, victim: { text } } = this.#script;
    const known = this.result !== null;
    const result = this.result ??= RESULTS[goal](told, canary, clicked);
    if (told.strangers?.length) this.#show(told.strangers, result);
    if (known || result === null) return;
    const got = told.got?.includes(text) ? text : told.got; // it may have it more than once
    const word = clicked && result === 'stopped' ? 'start_unframed' : `${goal}_${result}`;
    this.#pane.judge(result, say(word, { got, n: told.lost, of: told.of }), canary);
    this.#end();
  }

  // What the server saw. Where it refused nothing, it is the browser that kept the stranger off.
  #show(strangers, result) {
    const byBrowser = result === 'stopped' && strangers.every(({ status }) => status < 400);
    this.#pane.lines('seen', say('seen'), [...strangers.map(seen), ...(byBrowser ? [say('by_browser')] : [])]);
  }
}

// What came of it, by what the attack is after; null: not known yet.
const RESULTS = {
  read: ({ got }, canary) => (got === undefined ? null : outcome(got.includes(canary))),
  start: (told, _, clicked) => (told.started ? 'succeeded' : (clicked ? cannotBeClicked : refused)(told)),
  forge: ({ over, forge }) => (over ? outcome(forge) : null),
  lose: ({ over, lose }) => (over ? outcome(lose) : null),
  run: ({ over, run }) => (over ? outcome(run) : null),
};

function refused({ strangers }) {
  return strangers?.length ? 'stopped' : null;
}

// The stranger's frame has loaded, and yet no page of the server's is in it, which would have asked for its script. The
// first look may have been under way before.
function cannotBeClicked({ looks, opened }) {
  return looks > 1 && !opened ? 'stopped' : null;
}

function outcome(succeeded) {
  return succeeded ? 'succeeded' : 'stopped';
}

// GET /answers/0f3a…/websocket · Origin http://localhost:4001 · with your cookie → 403, refused by: Origin is our own
function seen({ asked, origin, site, cookie, status, defence }) {
  const told = [
    asked.replace(/([0-9a-f]{4})[0-9a-f]{28}/, '$1…'),
    origin && `Origin: ${origin}`,
    site && `Sec-Fetch-Site: ${site}`,
    say(cookie ? 'cookie_sent' : 'cookie_none'),
  ];
  const came = defence ? say('seen_refused', { defence: say(`defence_${defence}`) }) : say('seen_served');
  return `${told.filter(Boolean).join(' · ')} → ${status}${status < 400 || defence ? ` ${came}` : ''}`;
}

async function within(ms, promise, signal) {
  let timer;
  const ended = new Promise((_, reject) => {
    if (ms < Infinity) timer = setTimeout(() => reject(new Error(say('nothing_happened'))), ms);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  await Promise.race([promise, ended]).finally(() => clearTimeout(timer));
}
