// The table of figures: one row for each lane, filled in while the lanes type.
// Notice: each cell keeps the exact value beside the rounded one that is shown.

import { number } from './words.js';

const DIGITS = { lag_ms: 1, bytes_per_token: 1, overhead_factor: 1, times_best: 1, tokens_per_read: 1 };

export function fill(row, figures) {
  for (const cell of row.querySelectorAll('[data-of]')) {
    const value = figures[cell.dataset.of];
    const shown = value === null || value === undefined ? '–' : number(value, DIGITS[cell.dataset.of]);
    if (cell.textContent !== shown) cell.textContent = shown;
    cell.dataset.value = value ?? '';
  }
  row.toggleAttribute('data-best', figures.times_best === 1);
}
