// What the peers on Node deliver: answers as schedules, their chunks, and when the process is to end.
//
// The one thing to notice: each reader has a timer, which is set anew for when its next token is due. A `setInterval`
// would be simpler, but comes a little later each time, and so by half a token interval on average.

import { createHash } from "node:crypto";

/** How long a question may be held and a connection idle (milliseconds): neither ends in a run. */
export const HOLD_MS = 300_000;

/** Timers count in whole milliseconds, from a clock that stands still while JavaScript runs. */
const EARLY_MS = 1;

const answers = new Map();

/** Start the answer that the body of `POST /answers` asks for; gives what to reply. */
export function start({ text, first_token_ms, token_ms }, transports) {
  const id = String(answers.size + 1);
  answers.set(id, { tokens: text.match(/\s*\S+|\s+/g) ?? [], firstDue: performance.now() + first_token_ms, token_ms });
  return { id, links: Object.fromEntries(transports.map((name) => [name, `/answers/${id}/${name}`])) };
}

/** The answer of that name, or undefined. */
export const find = (id) => answers.get(id);

/** When an entry can be read (milliseconds of `performance.now()`); the end is due with the last token. */
const due = ({ tokens, firstDue, token_ms }, entry) => firstDue + Math.min(entry, tokens.length - 1) * token_ms;

/** Milliseconds until then, rounded up, for a timer. */
const until = (answer, entry) => Math.max(0, Math.ceil(due(answer, entry) - performance.now()));

/** The chunk of one token, from 0; after the last token, the end. */
function entry({ tokens }, at) {
  return at < tokens.length ? { cursor: at + 1, text: tokens[at] } : end(tokens, "");
}

/** One chunk of all that is due since `cursor`; without news its text is empty. */
export function read(answer, cursor, now = performance.now()) {
  const { tokens } = answer;
  let reached = cursor;
  while (reached < tokens.length && due(answer, reached) <= now) reached += 1;
  const text = tokens.slice(cursor, reached).join("");
  return reached < tokens.length ? { cursor: reached, text } : end(tokens, text);
}

/** Call `send` with each chunk when it is due, and `finish` after the last; gives what to call when the reader leaves. */
export function type(answer, cursor, send, finish) {
  let timer = setTimeout(tick, until(answer, cursor));
  function tick() {
    const now = performance.now() + EARLY_MS;
    while (cursor <= answer.tokens.length && due(answer, cursor) <= now) send(entry(answer, cursor++));
    if (cursor > answer.tokens.length) finish();
    else timer = setTimeout(tick, until(answer, cursor));
  }
  return () => clearTimeout(timer);
}

/** Call `reply` with what is due since `cursor`, once there is something; gives what to call when the reader leaves. */
export function wait(answer, cursor, reply) {
  let timer = setTimeout(wake, until(answer, cursor));
  function wake() {
    const left = until(answer, cursor);
    if (left > EARLY_MS) timer = setTimeout(wake, left);
    else reply(read(answer, cursor, performance.now() + EARLY_MS));
  }
  return () => clearTimeout(timer);
}

/** A chunk as a server-sent event. */
export function event(chunk) {
  return `id: ${chunk.cursor}\n${chunk.done ? "event: end\n" : ""}data: ${JSON.stringify(chunk)}\n\n`;
}

/** The first event: where to resume, and how soon. */
export const first = (cursor) => `retry: 1000\n${event({ cursor, text: "" })}`;

/** Listen on a free port and print the URL; end at SIGTERM, or when whoever started us is gone. */
export function live(server) {
  server.keepAliveTimeout = HOLD_MS;
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
  process.on("SIGTERM", () => process.exit(0));
  process.stdin.on("end", () => process.exit(0)).resume();
}

function end(tokens, text) {
  const sha256 = createHash("sha256").update(tokens.join("")).digest("hex");
  return { cursor: tokens.length + 1, text, done: "finished", sha256 };
}
