// The words of the interface in the page's language; the server puts the dictionary on <body>.
// Notice: `{n}` in a sentence is filled in once, so a value that looks like `{n}` stays as it is.

const WORDS = JSON.parse(document.body.dataset.words);

export function say(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A name the dictionary may not have (a new transport): then the name speaks for itself.
export function nameOf(transport) {
  return WORDS[`name_${transport}`] ?? transport;
}

export function seconds(ms) {
  return (ms / 1000).toFixed(1);
}
