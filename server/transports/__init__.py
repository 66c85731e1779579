"""The table of transports.

A transport moves a reader's cursor along an answer: one async function of (request, answer, cursor) and one pure
`frame`. To add one, write its module here and in clients/ and pages/js/transports/, add its line to each of the three
tables, and its page in docs/transports/. One whose readers cannot see a status has a line in DECLINES, too. Nothing
else knows their names.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.answer import Answer
from server.readers import Busy
from server.transports.iframe import decline as decline_iframe
from server.transports.iframe import iframe
from server.transports.long_polling import long_polling
from server.transports.polling import polling
from server.transports.sse import decline as decline_sse
from server.transports.sse import sse
from server.transports.websocket import decline as decline_websocket
from server.transports.websocket import websocket
from server.transports.whole import whole

Transport = Callable[[web.Request, Answer, int], Awaitable[web.StreamResponse]]
"""Answers `request` with what comes after the cursor; unknown answers and bad cursors never get this far."""

TRANSPORTS: dict[str, Transport] = {
    "polling": polling,
    "long_polling": long_polling,
    "iframe": iframe,
    "sse": sse,
    "websocket": websocket,
    "whole": whole,
}

Decline = Callable[[web.Request, int, Busy], Awaitable[web.StreamResponse]]
"""Tells a reader at this cursor that there is no place for it now, and when to come back."""

DECLINES: dict[str, Decline] = {
    "iframe": decline_iframe,
    "sse": decline_sse,
    "websocket": decline_websocket,
}
"""For the transports whose readers cannot see a status, or take any as final. All others get the refusal itself."""
