// The page with all lanes side by side: which of them take part is chosen by checkboxes.

import { Lane } from './lane.js';
import { openPage } from './page.js';

const grid = document.querySelector('[data-lanes]');
const lanes = [...grid.querySelectorAll('[data-transport]')].map((element) => new Lane(element));
const isChosen = (lane) => document.querySelector(`input[name=lane][value=${lane.name}]`).checked;

function showChosen() {
  for (const lane of lanes) lane.element.hidden = !isChosen(lane);
  grid.dataset.lanes = lanes.filter(isChosen).length;
}

openPage(() => lanes.filter(isChosen), showChosen);
