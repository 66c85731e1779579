// Bytes as a person can read them: every one is there, and none can act.
// Notice: a sign such as CR LF stands for bytes that have no shape of their own. It is kept apart from the text, for the
// text may well say "CR" itself, and JSON writes a line feed as the two characters \n.

const CONTROLS = 'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(' ');
const UNSEEN = /[\u0080-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/; // they hide, or turn text round
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function fromBase64(data) {
  return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
}

// → [{text, isSign}, …]; a line feed is followed by a new line.
export function readable(bytes) {
  const pieces = [];
  for (let at = 0; at < bytes.length;) {
    const character = characterAt(bytes, at);
    const sign = character === null ? hex(bytes[at]) : signOf(character);
    put(pieces, sign ?? character, sign !== null);
    if (character === '\n') put(pieces, '\n', false);
    at += character === null ? 1 : encodedLength(bytes[at]);
  }
  return pieces;
}

// null: no character of UTF-8 begins here.
function characterAt(bytes, at) {
  try {
    return decoder.decode(bytes.subarray(at, at + encodedLength(bytes[at])));
  } catch {
    return null;
  }
}

// RFC 3629 §3
function encodedLength(first) {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

function signOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return CONTROLS[code];
  if (code === 0x7f) return 'DEL';
  return UNSEEN.test(character) ? `U+${hex(code).padStart(4, '0')}` : null;
}

function hex(value) {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

function put(pieces, text, isSign) {
  const last = pieces.at(-1);
  if (last && !isSign && !last.isSign) last.text += text;
  else pieces.push({ text, isSign });
}
