// Choosing a token in a strip: by mouse or finger the nearest, by arrow keys the next; Enter goes to its bytes.
// Notice: to whom it is read aloud, a strip is a slider, whose value is the number of the token.

import { nearest } from './strip.js';
import { number, say } from './words.js';

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };

// look() → {reads, end}: what there is to choose from · show(read) · go(): to what is shown
export function listenToPicks(track, look, { show, go }) {
  track.addEventListener('click', async ({ clientX }) => {
    const { left, width } = track.getBoundingClientRect();
    const { reads, end } = look();
    if (reads.length === 0) return;
    await show(nearest(reads, ((clientX - left) / width) * end));
    go();
  });
  track.addEventListener('keydown', (event) => {
    const { reads } = look();
    if (reads.length === 0) return;
    if (event.key === 'Enter') go();
    if (!Object.hasOwn(STEPS, event.key)) return;
    event.preventDefault(); // the page would scroll
    const present = reads.findIndex(({ first }) => String(first) === track.getAttribute('aria-valuenow'));
    show(reads[Math.min(reads.length - 1, Math.max(0, present + STEPS[event.key]))]);
  });
}

// read: null for none
export function tellPick(track, read) {
  track.setAttribute('aria-valuenow', read?.first ?? 0);
  track.setAttribute('aria-valuetext', read ? say('token_number', { n: number(read.first) }) : say('no_token'));
}
