"""What happened to an answer: when it was written, what each reader cost, live, and what crossed the wire.

The one thing to notice: nothing here is booked to any reader. Who looks at the ledger does not change it.
"""

import asyncio
import base64
import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.anatomy import Part, anatomy, by_kind
from server.answer import Answer
from server.ledger import LEDGER, Ledger
from server.limits import LIMITS
from server.push import written
from server.readers import READERS
from server.recording import Exchange, now_ms
from server.refusal import Refusal
from server.settings import SETTINGS
from server.sockets import goodbye, open_socket
from server.views import answer_of, json_response
from server.visit import Visit
from server.wire import cursor_of, to_json

LIVE_S = 0.2
"""How often the ledger's watchers are told what has changed."""
CLOCK_S = 0.02
"""How soon a watcher's next question is answered, or one that asks without end would leave no time for others."""
MOST_ENTRIES = 10_000
"""Of a timeline in one response."""
ENTRIES_PER_REQUEST = 100
"""Entries that take about as long as a whole other request: a longer timeline counts as several."""
LINGER_S = 1.0
"""How long after the last change, once the answer has ended: a poller may be between two requests."""


async def timeline(request: web.Request) -> web.Response:
    """`GET /answers/{id}/timeline`: for each entry when it was due and when it was appended.

    Milliseconds of the machine's monotonic clock, which other processes of this machine share (on Linux and macOS).
    With `?cursor=N` those after it; a response holds the first MOST_ENTRIES of them, and says whether there are more.
    """
    answer, cursor = answer_of(request), cursor_of(request)
    part = answer.part(cursor, MOST_ENTRIES)
    request.app[LIMITS].admit(request, len(part) / ENTRIES_PER_REQUEST)
    entries = [
        {"cursor": at, "text": entry.token, "due_ms": _ms(entry.due), "appended_ms": _ms(entry.appended)}
        for at, entry in enumerate(part, cursor + 1)
    ]
    more = cursor + len(part) < answer.cursor
    return json_response({"clock": "monotonic", "started_ms": _ms(answer.started), "entries": entries, "more": more})


async def ledger(request: web.Request) -> web.Response:
    """`GET /answers/{id}/ledger`: what each of its readers cost so far."""
    return json_response({"rows": request.app[LEDGER].rows(answer_of(request))})


async def live(request: web.Request) -> web.StreamResponse:
    """`GET /answers/{id}/live`: the ledger over a WebSocket, again whenever it has changed.

    Each message holds all rows, and of a recorded answer the requests that are new or have changed. Who sends
    {"clock": NUMBER} gets one at once with the same number in it, which tells how far the two clocks are apart.
    """
    answer = answer_of(request)
    watcher = Watcher(request.app[LEDGER], answer)
    with Visit(request.app[READERS]):
        socket = await open_socket(request, "read the ledger once at /ledger", request.app[SETTINGS].heartbeat_s)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(request, socket, watcher))
            with suppress(ConnectionError):
                await _tell(request, socket, watcher)
            listening.cancel()
        await written(request, goodbye(request, socket))
    return socket


async def wire(request: web.Request) -> web.Response:
    """`GET /answers/{id}/wire?transport=T&reader=R&token=N`: what crossed the socket for the Nth token.

    Only of an answer that was started with `"record": true`, and only while there is room (`--max-recordings`).
    """
    answer = answer_of(request)
    recording = request.app[LEDGER].recorder.find(answer)
    if not recording:
        raise Refusal(404, 'Nothing of this answer was kept. Start it with {"record": true}; the newest ones are kept.')
    transport, reader = request.query.get("transport", ""), request.query.get("reader", "")
    token = request.query.get("token", "")
    exchanges = recording.exchanges.get((transport, reader), [])
    if not (token.isascii() and token.isdigit() and len(token) <= 15):
        raise Refusal(400, f"token must be a whole number from 1, not {token[:40]!r}.")
    found = find(exchanges, int(token))
    if not found:
        raise Refusal(
            404, f"Token {token} over {transport[:40]!r} to reader {reader[:64]!r} is not among what was kept."
        )
    return json_response({"transport": transport, "reader": reader, "token": int(token), **_shown(exchanges, *found)})


def find(exchanges: Sequence[Exchange], token: int) -> tuple[int, int] | None:
    """Which delivery of which exchange brought the token first."""
    for at, exchange in enumerate(exchanges):
        for nth, delivery in enumerate(exchange.deliveries):
            if delivery.cursor < token <= delivery.cursor + delivery.tokens:
                return at, nth
    return None


def _shown(exchanges: Sequence[Exchange], at: int, nth: int) -> dict[str, Any]:
    """A delivery: its bytes are those since the one before it, and what went before the first opened the stream."""
    exchange = exchanges[at]
    delivery = exchange.deliveries[nth]
    opened = exchange.deliveries[0].pieces if nth else 0
    before = exchange.deliveries[nth - 1].pieces if nth else 0
    shared = anatomy(exchange.pieces[:opened])
    own = anatomy(exchange.pieces[before : delivery.pieces])
    in_vain = list(takewhile(lambda each: not each.tokens, reversed(exchanges[:at])))
    return {
        "first": delivery.cursor + 1,
        "last": delivery.cursor + delivery.tokens,
        "request": exchange.number,
        "text": delivery.chunk.text,
        "bytes": sum(by_kind(own).values()),
        "by_kind": by_kind(own),
        "shared_bytes": sum(by_kind(shared).values()),
        "before": {
            "requests": len(in_vain),
            "bytes": sum(len(data) for each in in_vain for _, data in each.pieces),
        },
        "parts": [_part(part, shared=True) for part in shared] + [_part(part, shared=False) for part in own],
    }


def _part(part: Part, shared: bool) -> dict[str, Any]:
    data = base64.b64encode(part.data).decode()
    return {"way": part.way, "kind": part.kind, "shared": shared, "data": data}


class Watcher:
    """What one watcher of an answer has been told already."""

    def __init__(self, ledger: Ledger, answer: Answer) -> None:
        self.answer = answer
        self._ledger = ledger
        self._rows: list[dict[str, Any]] | None = None
        self._spans: dict[tuple[str, str, int], Any] = {}

    def news(self) -> str | None:
        """The message to send, unless nothing has changed."""
        rows, spans = self._ledger.rows(self.answer), self._new_spans()
        if rows == self._rows and not spans:
            return None
        return self._message(rows, spans)

    def all(self, clock: float) -> str:
        """The message to send, changed or not."""
        return self._message(self._ledger.rows(self.answer), self._new_spans(), clock=clock)

    def _message(self, rows: list[dict[str, Any]], spans: dict[tuple[str, str], list[Any]], **clock: float) -> str:
        self._rows = rows
        told = [row | {"spans": spans.get((row["transport"], row["reader"]), [])} for row in rows]
        return to_json({**clock, "now_ms": now_ms(), "done": self.answer.done, "rows": told}).decode()

    def _new_spans(self) -> dict[tuple[str, str], list[Any]]:
        """By reader, the requests that are new or have changed."""
        new: dict[tuple[str, str], list[Any]] = {}
        recording = self._ledger.recorder.find(self.answer)
        for reader, exchanges in (recording.exchanges if recording else {}).items():
            for span in (exchange.span for exchange in exchanges):
                if self._spans.get(key := (*reader, span[0])) != span:
                    self._spans[key] = span
                    new.setdefault(reader, []).append(span)
        return new


async def _tell(request: web.Request, socket: web.WebSocketResponse, watcher: Watcher) -> None:
    """Until the answer has ended and nobody reads it any more, or the watcher is gone."""
    last_news = time.monotonic()
    while not socket.closed:
        if news := watcher.news():
            last_news = time.monotonic()
            await written(request, socket.send_str(news))
        elif watcher.answer.done and time.monotonic() - last_news > LINGER_S:
            return
        await asyncio.sleep(LIVE_S)


async def _listen(request: web.Request, socket: web.WebSocketResponse, watcher: Watcher) -> None:
    async for message in socket:
        clock = _clock(message)
        if clock is None:
            refusal = socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b'the only message is {"clock":NUMBER}')
            await written(request, refusal)
            return
        await written(request, socket.send_str(watcher.all(clock)))
        await asyncio.sleep(CLOCK_S)


def _clock(message: WSMessage) -> float | None:
    """The number that a message asks with; None when it is anything else."""
    with suppress(ValueError, RecursionError, OverflowError):
        match json.loads(message.data) if message.type is WSMsgType.TEXT else None:
            case {"clock": int() | float() as clock, **rest} if not rest and not isinstance(clock, bool):
                return clock if math.isfinite(clock) else None
    return None


def add_routes(app: web.Application) -> None:
    """The routes. They come before those of the API, whose `/answers/{id}/{transport}` would take them."""
    app.router.add_get("/answers/{id}/timeline", timeline)
    app.router.add_get("/answers/{id}/ledger", ledger)
    app.router.add_get("/answers/{id}/live", live, allow_head=False)
    app.router.add_get("/answers/{id}/wire", wire)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
