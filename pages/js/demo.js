// The page of one transport: one lane, large, with the source of its two ends beside it.

import { Lane } from './lane.js';
import { openPage } from './page.js';

const lane = new Lane(document.querySelector('[data-transport]'));

openPage(() => [lane]);
