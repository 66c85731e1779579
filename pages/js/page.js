// What both pages share: the form, the keys, and at most one run at a time.
// Notice: starting again leaves the old run and stops its answer; two answers never type into one lane.

import { Evidence } from './evidence.js';
import { Run } from './run.js';
import { PROMPT, answerFields, restore, save } from './setup.js';
import { say } from './words.js';

const form = document.querySelector('form');
const status = document.querySelector('[data-status]');
const stopButton = document.querySelector('[data-action=stop]');
const cutButton = document.querySelector('[data-action=cut]');

// chosenLanes: which lanes take part · changed: called whenever the set-up has changed
export function openPage(chosenLanes, changed = () => {}) {
  let run = null;
  const evidence = new Evidence();

  async function start() {
    settle();
    const lanes = chosenLanes();
    const fields = answerFields(form);
    if (lanes.length === 0) return announce(say('choose_a_lane'), 'failed');
    if (fields.text === '') return announce(say('write_a_text'), 'failed');
    if (fields.prompt?.trim() === '') return announce(say('write_a_prompt'), 'failed');
    run?.leave();
    const current = run = new Run(lanes, announce);
    setLive(true);
    const over = current.start(fields);
    evidence.follow(current, over, { fields, pace: paceOf(form.elements) });
    await over;
    if (current === run) setLive(false);
  }

  function stop() {
    if (run?.live) run.stop();
  }

  // lane: without one, all are cut
  function cut(lane) {
    run?.cut(Number(form.elements.cut_s.value), lane);
  }

  function settle() {
    form.dataset.preset = form.elements.preset.value;
    showPace(form.elements);
    save(form);
    changed();
    run?.choose(chosenLanes());
    evidence.choose(chosenLanes());
  }

  function open() {
    restore(form);
    settle();
  }

  // Nobody would read the answer on. A page that comes back from the browser's back/forward cache says so.
  function leave() {
    if (!run?.live) return;
    run.leave();
    announce(say('left'));
  }

  open();
  window.addEventListener('popstate', open); // back, forward, or a link that differs after the `#` only
  window.addEventListener('pagehide', leave);
  form.addEventListener('change', settle);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    start();
  });
  stopButton.addEventListener('click', stop);
  cutButton.addEventListener('click', () => cut());
  listenToScissors(chosenLanes, cut);
  listenToKeys(stop);
  listenToJumps();
}

function announce(sentence, kind = '') {
  status.textContent = sentence;
  status.dataset.status = kind;
}

// aria-disabled, not disabled: a button that vanishes from under the focus strands whoever uses the keyboard.
function setLive(live) {
  for (const button of [stopButton, cutButton]) button.setAttribute('aria-disabled', String(!live));
  document.body.dataset.live = live;
}

// An empty pace means the text's own: recorded for a replay in its own units, else the typewriter's.
function showPace({ preset, unit, token_ms }) {
  const typewriter = [...preset.options].find(({ value }) => value === 'typewriter');
  const source = unit.selectedIndex > 0 ? typewriter : preset.selectedOptions[0];
  token_ms.placeholder = source.dataset.pace;
}

// Milliseconds per token; NaN for what has a pace of its own, a recording or a model.
function paceOf({ preset, token_ms }) {
  if (preset.value === PROMPT) return NaN;
  return Number.parseFloat(token_ms.value || token_ms.placeholder);
}

// Enter starts and Escape stops, wherever the focus is, unless a control there needs the key itself. In the prompt, as
// wherever models are asked, it sends, and with Shift begins a line; but not while it chooses a word (in Chinese, say).
function listenToKeys(stop) {
  document.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Escape') stop();
    if (event.key === 'Enter' && event.target.name === 'prompt' && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
      return;
    }
    const taken = event.target.closest('a, button, summary, input, select, textarea, [role=slider]');
    if (event.key === 'Enter' && (!taken || event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

// The small button in each lane.
function listenToScissors(chosenLanes, cut) {
  document.addEventListener('click', ({ target }) => {
    const element = target.closest('[data-action=cut-lane]')?.closest('[data-transport]');
    const lane = element && chosenLanes().find((each) => each.element === element);
    if (lane) cut(lane);
  });
}

// Not links: what stands after the `#` is the text that somebody wrote.
function listenToJumps() {
  for (const button of document.querySelectorAll('[data-jump]')) {
    button.addEventListener('click', () => document.querySelector(button.dataset.jump).scrollIntoView({ block: 'start' }));
  }
}
