// The words of the interface in the page's language; the server puts the dictionary on <body>.
// Notice: `{n}` in a sentence is filled in once, so a value that looks like `{n}` stays as it is.

const WORDS = JSON.parse(document.body.dataset.words);

export function say(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function knows(key) {
  return Object.hasOwn(WORDS, key);
}

// A name the dictionary may not have (a new transport): then the name speaks for itself.
export function nameOf(transport) {
  return WORDS[`name_${transport}`] ?? transport;
}

export function seconds(ms) {
  return (ms / 1000).toFixed(1);
}

// 12345.6 → 12,346, in the page's language. Formats are kept, for making one takes longer than a table of figures.
export function number(value, digits = 0) {
  formats[digits] ??= new Intl.NumberFormat(document.documentElement.lang, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return formats[digits].format(value);
}

const formats = [];
