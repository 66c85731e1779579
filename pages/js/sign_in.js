// Signing in: the access token is sent once and becomes a cookie that no script can read.
// Notice: it never stands in an address, where histories and logs would keep it.

import { say } from './words.js';

const form = document.querySelector('form');
const status = document.querySelector('[data-status]');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ token: form.elements.token.value });
  const headers = { 'Content-Type': 'application/json' };
  try {
    const response = await fetch('/sessions', { method: 'POST', headers, body });
    if (response.ok) return location.reload();
    status.textContent = say(response.status === 401 ? 'token_wrong' : 'server_unreachable');
  } catch {
    status.textContent = say('server_unreachable');
  }
  status.dataset.status = 'failed';
});
