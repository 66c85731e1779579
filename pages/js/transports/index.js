// Every transport by its one name. A new one is a module beside these and one line here.
//
// A module exports `stream(url, { cursor, signal })`, an async generator of chunks, which resume.js makes survive cuts.
// One that reconnects by itself calls the option `lost(failure)` when it does. A module may export
//   HEARS        when a healthy lane hears something: 'always', 'at first', 'with text' or
//                'at the end'; connections.js notices by it that a lane waits for a connection
//   stopsInBand  the lane can stop the answer over its own connection (the option `stop`)

import * as polling from './polling.js';
import * as long_polling from './long_polling.js';
import * as iframe from './iframe.js';
import * as sse from './sse.js';
import * as websocket from './websocket.js';
import * as whole from './whole.js';

export const TRANSPORTS = { polling, long_polling, iframe, sse, websocket, whole };
