// The page of the gallery: which attack is shown, and when all of it is over.
// Notice: an attack that is left is ended. What is out of sight must not go on.

import { Card } from './card.js';
import { say } from './words.js';

const index = document.querySelector('[data-index]');
const links = new Map([...index.querySelectorAll('a')].map((link) => [link.hash.slice(1), link]));
const cards = new Map([...document.querySelectorAll('[data-attack]')].map((element) => [element.id, new Card(element)]));
const narrow = matchMedia('(max-width: 61.99rem)');

let shown = null;

function showChosen() {
  const id = cards.has(location.hash.slice(1)) ? location.hash.slice(1) : cards.keys().next().value;
  if (id !== shown?.id) shown?.leave();
  shown = cards.get(id);
  for (const [name, link] of links) {
    if (name === id) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  }
  links.get(id).scrollIntoView({ block: 'nearest' });
  for (const link of document.querySelectorAll('[data-carries]')) link.hash = id;
  fold();
}

// On a phone, the list is folded away as soon as something is chosen.
function fold() {
  index.open = !narrow.matches;
}

// On a projector everything is larger, and what is in the frames has to grow as well: they know nothing of the window.
function zoom() {
  const { style } = document.documentElement;
  style.setProperty('--zoom', parseFloat(getComputedStyle(document.documentElement).fontSize) / 16);
}

function endWithServer() {
  const banner = document.querySelector('[data-banner]');
  const { leftMs, time } = banner.dataset;
  setTimeout(() => {
    shown.leave();
    banner.textContent = say('banner_over', { time });
  }, Number(leftMs));
}

addEventListener('hashchange', showChosen);
narrow.addEventListener('change', fold);
addEventListener('resize', zoom);
zoom();
showChosen();
endWithServer();
