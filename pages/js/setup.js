// The set-up: the form on one side, the page's URL on the other, so that a set-up is shared as a link.
// Notice: only what differs from the default is in the URL, and an own text stands after the `#`, where a browser
// keeps it to itself: it may be long, and it is nobody's business on the way.

const OWN = 'own';
export const PROMPT = 'prompt';
const TYPED = { [OWN]: 'text', [PROMPT]: 'prompt' }; // what is typed into the page, and the box that it is in

// What POST /answers wants to know. An empty field is not sent: the server has its own default.
export function answerFields(form) {
  const { preset, unit, token_ms } = form.elements;
  const box = TYPED[preset.value];
  const fields = box ? { [box]: form.elements[box].value } : { preset: preset.value };
  if (preset.value === PROMPT) return fields; // a model has its own pace
  if (unit.selectedIndex > 0) fields.unit = unit.value; // any unit takes a recorded answer off its recorded times
  if (token_ms.value !== '') fields.token_ms = token_ms.valueAsNumber;
  return fields;
}

export function restore(form) {
  const { preset, unit, token_ms } = form.elements;
  const query = new URLSearchParams(location.search);
  const typed = new URLSearchParams(location.hash.slice(1));
  choose(preset, query.get('preset'));
  choose(unit, query.get('unit'));
  token_ms.value = query.get('token_ms') ?? '';
  for (const box of boxesToType(form)) box.value = typed.get(box.name) ?? '';
  const lanes = query.getAll('lane');
  const named = boxes(form).filter((box) => lanes.includes(box.value));
  for (const box of boxes(form)) box.checked = named.length === 0 || named.includes(box);
}

export function save(form) {
  const { preset, unit, token_ms } = form.elements;
  const query = new URLSearchParams(location.search); // keeps what is not ours, such as the language
  put(query, 'preset', preset.selectedIndex > 0 && preset.value);
  put(query, 'unit', unit.selectedIndex > 0 && unit.value);
  put(query, 'token_ms', token_ms.value);
  if (boxes(form).length > 0) {
    query.delete('lane');
    const chosen = boxes(form).filter((box) => box.checked);
    if (chosen.length < boxes(form).length) chosen.forEach((box) => query.append('lane', box.value));
  }
  const box = TYPED[preset.value];
  const hash = box ? `#${new URLSearchParams({ [box]: form.elements[box].value })}` : '';
  history.replaceState(null, '', location.pathname + search(query) + hash);
  carry(query, hash);
}

// Links to our other pages and languages take the set-up with them; what a link says itself wins.
function carry(query, hash) {
  for (const link of document.querySelectorAll('a[data-carries]')) {
    const target = new URL(link.dataset.carries, location.href);
    const merged = new URLSearchParams(query);
    target.searchParams.forEach((value, name) => merged.set(name, value));
    link.href = target.pathname + search(merged) + hash;
  }
}

function search(query) {
  return String(query) && `?${query}`;
}

function choose(select, value) {
  const known = [...select.options].some((option) => option.value === value);
  select.value = known ? value : select.options[0].value;
}

function put(query, name, value) {
  if (value) query.set(name, value);
  else query.delete(name);
}

function boxesToType(form) {
  return Object.values(TYPED).flatMap((name) => form.elements[name] ?? []);
}

function boxes(form) {
  return [...form.querySelectorAll('input[name=lane]')];
}
