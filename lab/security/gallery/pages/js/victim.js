// The victim's tab: it starts an answer of its own at its server, shows it, and tells the gallery what it sees.
// Notice: it does nothing that a person at that server would not do. Whatever happens to it is done by somebody else.

import { startAnswer } from '/js/answer.js';
import { say } from '/js/words.js';

const LOOK_EVERY_MS = 200;

const { gallery, since } = document.body.dataset;
const { view, text, transport, canary, format, token_ms: paceMs = 0, measure } =
  Object.fromEntries(new URLSearchParams(location.search));
const part = (name) => document.querySelector(`[data-${name}]`);

function tell(message) {
  parent.postMessage(message, gallery);
}

// What is to be seen on each kind of tab; `own` is told to the gallery again and again, the others once.
const VIEWS = { own, events, frame, page };

async function own() {
  const { id, links } = await startAnswer({ text, unit: 'word', first_token_ms: 0, token_ms: 0 });
  await (await fetch(links.whole)).text(); // it has been typed to its end
  part('label').textContent = say('victim_own');
  show(part('text'), text);
  const at = measure ? await whereToClick() : null;
  const before = await look();
  tell({ ready: true, answer: id, at });
  setInterval(async () => {
    const now = await look();
    const started = now.started - before.started;
    tell({ started, opened: now.opened - before.opened, strangers: now.strangers });
    if (started) part('label').textContent = say('victim_paid', { n: started });
  }, LOOK_EVERY_MS);
}

async function look() {
  return (await fetch(`/attacks/seen?since=${since}`)).json();
}

// Where on the server's own page its start button is, as a stranger knows who has looked at it before.
async function whereToClick() {
  const element = document.createElement('iframe');
  element.className = 'look';
  element.src = `/demo/${transport}`;
  await loaded(element, document.body);
  const box = element.contentDocument?.querySelector('[data-action=start]')?.getBoundingClientRect();
  element.remove();
  return box ? { x: Math.round(box.x + box.width / 2), y: Math.round(box.y + box.height / 2) } : null;
}

// The browser's own EventSource, and all that it hands to a page.
async function events() {
  const { links } = await startAnswer({ text, first_token_ms: 0, token_ms: 0 });
  await (await fetch(links.whole)).text();
  part('label').textContent = say('victim_events');
  const list = part('view').appendChild(document.createElement('ul'));
  let arrived = '';
  let forged = '';
  const source = new EventSource(links.sse);
  const note = ({ type, data }) => {
    list.append(row(type, data));
    if (type === 'admin') forged += data;
    else arrived += textOf(type, data);
  };
  for (const type of ['message', 'admin', 'end']) source.addEventListener(type, note);
  await new Promise((resolve) => {
    source.addEventListener('end', resolve);
    source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) resolve(); });
  });
  source.close();
  const lost = [...text].length - [...arrived].length;
  tell({ over: true, forge: forged.includes(canary), lose: arrived !== text, got: forged || arrived, lost, of: [...text].length });
}

function textOf(type, data) {
  try {
    return JSON.parse(data).text ?? data;
  } catch {
    return type === 'message' ? data : '';
  }
}

function row(type, data) {
  const item = document.createElement('li');
  item.classList.toggle('forged', type === 'admin');
  const name = document.createElement('code');
  name.textContent = type;
  const what = document.createElement('span');
  show(what, data);
  item.append(name, what);
  return item;
}

// The stream of scripts, in a frame: code in it runs with all rights of this page.
async function frame() {
  const { links } = await startAnswer({ text, first_token_ms: 0, token_ms: 0 });
  await (await fetch(links.whole)).text();
  part('label').textContent = say('victim_frame');
  window.ran = '';
  const told = [];
  addEventListener('message', ({ origin, data }) => { if (origin === location.origin) told.push(data.text ?? ''); });
  const element = document.createElement('iframe');
  element.src = `${links.iframe}?format=${format ?? 'json'}`;
  await loaded(element, part('view')); // when every image of it has failed, too
  show(part('text'), told.join(''));
  tell({ over: true, run: window.ran === canary, got: window.ran });
}

// The server's own page of a transport, opened by a link that holds the text, and its start button pressed.
async function page() {
  part('label').textContent = say('victim_page');
  const element = document.createElement('iframe');
  const query = new URLSearchParams({ preset: 'own', unit: 'sentence', token_ms: paceMs });
  element.src = `/demo/${transport}?${query}#${new URLSearchParams({ text })}`;
  await loaded(element, part('view'));
  const inside = element.contentDocument;
  inside.querySelector('[data-action=start]').click();
  const lane = inside.querySelector('[data-transport]');
  element.contentWindow.scrollTo(0, lane.getBoundingClientRect().top); // scrollIntoView would scroll the gallery, too
  while (!['done', 'failed', 'stopped'].includes(lane.dataset.state)) await pause();
  await failing(inside);
  const ran = inside.querySelector('[data-ran]')?.dataset.ran ?? '';
  tell({ over: true, run: ran === canary, got: ran });
}

// One more image that does not exist: those of the text have been asked for before it.
async function failing(inside) {
  await new Promise((resolve) => { Object.assign(new Image(), { onerror: resolve, src: '/attacks/no-image' }); });
  const ended = () => [...inside.images].every((image) => image.parentNode.dataset.ran);
  for (let looked = 0; looked < 100 && !ended(); looked += 1) await pause();
}

function pause() {
  return new Promise((resolve) => { setTimeout(resolve, 20); });
}

function loaded(element, place) {
  return new Promise((resolve) => {
    element.addEventListener('load', resolve, { once: true });
    place.append(element);
  });
}

// Text as text; the secret in it is marked, and line ends are written out.
function show(place, words) {
  const signs = { '\r': '\\r', '\n': '\\n' };
  for (const piece of words.split(new RegExp(`(${canary}|[\\r\\n])`))) {
    const sign = signs[piece];
    if (!sign && piece !== canary) { place.append(piece); continue; }
    const element = document.createElement(sign ? 'span' : 'mark');
    if (sign) element.className = 'sign';
    element.textContent = sign ?? piece;
    place.append(element);
  }
}

VIEWS[view]().catch((error) => tell({ failed: error.message }));
