"""The HTTP API: start, read, stop and inspect answers.

The one thing to notice: `read` knows no transport. It finds the answer, checks the cursor, and hands over; so every
refusal is decided before a stream starts, in one place, the same for all.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from server.answer import Answer
from server.cables import CABLES
from server.checks import BY_TICKET, is_token
from server.ledger import LEDGER
from server.order import OFFER, from_query, once, order
from server.pace import pace
from server.push import nothing_left
from server.readers import READERS, Busy
from server.refusal import Refusal
from server.sessions import SESSIONS
from server.settings import SETTINGS
from server.store import STORE
from server.tickets import TICKETS
from server.transports import DECLINES, TRANSPORTS, Transport
from server.visit import VISIT, Visit
from server.wire import cursor_of, to_json

READER_FIELDS = ("cursor", "reader", "format", "ticket")
"""What a reader says in the query, beside the fields of an order."""

LIVE = "live"
"""What a ticket may be for beside a transport."""

LOCATION = web.RequestKey("location", str)


async def start(request: web.Request) -> web.Response:
    """`POST /answers`: start an answer and say where each transport reads it.

    A browser that has our cookie starts it as its own: only with that cookie is it read, stopped and inspected.
    """
    fields = await json_object(request)
    record = fields.pop("record", False)
    if not isinstance(record, bool):
        raise Refusal(400, "record must be true or false.")
    answer = request.app[STORE].start(order(fields, request.app[OFFER]), asker(request))
    if record:
        request.app[LEDGER].recorder.start(answer)
    links = {name: f"/answers/{answer.id}/{name}" for name in TRANSPORTS}
    return json_response({"id": answer.id, "links": links}, status=201, headers={"Location": f"/answers/{answer.id}"})


async def state(request: web.Request) -> web.Response:
    """`GET /answers/{id}`: where it stands."""
    answer = answer_of(request)
    return json_response(
        {
            "id": answer.id,
            "state": "ended" if answer.done else "typing",
            "cursor": answer.cursor,
            "reason": answer.done,
            "text": answer.text,
        }
        | source_of(answer)
    )


async def stop(request: web.Request) -> web.Response:
    """`DELETE /answers/{id}`: stop the writer. Asking again changes nothing."""
    request.app[STORE].stop(answer_of(request))
    return web.Response(status=204)


async def read(request: web.Request) -> web.StreamResponse:
    """`GET /answers/{id}/{transport}?cursor=N&reader=R`: read an answer."""
    transport = _transport(request)
    answer = answer_of(request)
    if request.query_string and (strange := request.query.keys() - READER_FIELDS):
        raise Refusal(400, f"There is no {min(strange)[:40]!r} to reading. The query takes {', '.join(READER_FIELDS)}.")
    cursor = cursor_of(request)
    if cursor > answer.cursor:
        raise Refusal(
            400,
            f"Cursor {cursor} is outside this answer, whose newest cursor is {answer.cursor}: "
            "read on from there, or start again with cursor=0.",
        )
    app, name = request.app, request.match_info["transport"]
    app[LEDGER].begin(request, answer, name)
    cable = await app[CABLES].find(request, answer, name)
    if answer.past_end(cursor):
        return await nothing_left(request)
    try:
        with Visit(app[READERS]) as visit:
            visit.along(cable, request.transport)
            request[VISIT] = visit
            return await transport(request, answer, cursor)
    except Busy as busy:
        return await _decline(request, cursor, busy)


async def start_and_read(request: web.Request) -> web.StreamResponse:
    """`GET /{transport}`: start an answer and read it in one go, for `curl -N`.

    The query takes the fields of `POST /answers`. `Content-Location` says where the answer can be read again. A reader
    that comes here with a cursor means another answer, whose place it lost: it must not be typed a new one.
    """
    transport = _transport(request)
    if cursor_of(request):
        raise Refusal(
            400, "Every request here starts a new answer, which has no cursor yet: start it with POST /answers."
        )
    fields = from_query((name, value) for name, value in request.query.items() if name not in READER_FIELDS)
    source = order(fields, request.app[OFFER])
    name = request.match_info["transport"]
    try:
        with Visit(request.app[READERS]) as visit:
            answer = request.app[STORE].start(source, asker(request))
            request.app[LEDGER].begin(request, answer, name)
            request[LOCATION] = f"/answers/{answer.id}/{name}"
            visit.along(await request.app[CABLES].find(request, answer, name), request.transport)
            request[VISIT] = visit
            return await transport(request, answer, 0)
    except Busy as busy:
        return await _decline(request, 0, busy)
    except Refusal:
        if LOCATION in request:  # the transport wants another kind of request, so nobody will read this answer
            request.app[STORE].stop(answer)
            del request[LOCATION]
        raise


async def ticket(request: web.Request) -> web.Response:
    """`POST /tickets`: a ticket to read one answer over one transport, once, for a client that can send no header.

    The fields are `answer`, its id, and `transport`, or `live` for its ledger.
    """
    fields = await json_object(request)
    if strange := fields.keys() ^ {"answer", "transport"}:
        raise Refusal(400, f"A ticket is for an answer and a transport, and {min(strange)[:40]!r} is wrong or missing.")
    if fields["transport"] not in (*TRANSPORTS, LIVE) or not isinstance(fields["answer"], str):
        raise Refusal(400, f"answer must be an id, and transport one of {', '.join((*TRANSPORTS, LIVE))}.")
    answer = request.app[STORE].find(fields["answer"], asker(request))
    word = request.app[TICKETS].issue(answer.id, fields["transport"])
    return json_response({"ticket": word, "expires_s": request.app[SETTINGS].ticket_s}, status=201)


async def sign_in(request: web.Request) -> web.Response:
    """`POST /sessions`: exchange the access token for a session cookie, which every later request carries."""
    fields = await json_object(request)
    if strange := fields.keys() - {"token"}:
        raise Refusal(400, f"There is no field {min(strange)[:40]!r} to signing in: send the token alone.")
    if not is_token(request, str(fields.get("token", ""))):
        raise Refusal(401, "That is not the access token that this server was started with.", defence="token")
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    request.app[SESSIONS].begin(request, response)
    return response


async def say_where(request: web.Request, response: web.StreamResponse) -> None:
    """Name the answer in a response that started one, so that it can be read on, stopped, or read again."""
    if location := request.get(LOCATION):
        response.headers["Content-Location"] = location


def add_reading(app: web.Application) -> None:
    """The route that is asked for most. It takes known names alone, so that it can be the first of the application."""
    names = "|".join(TRANSPORTS)
    app.router.add_get(f"/answers/{{id}}/{{transport:{names}}}", read, allow_head=False)


def add_routes(app: web.Application) -> None:
    """The routes of the API. The last one takes any single name, so it must stay the last of the application."""
    app.router.add_post("/answers", start)
    app.router.add_get("/answers/{id}", state)
    app.router.add_delete("/answers/{id}", stop)
    # HEAD would wait for a stream, or start an answer, to throw it away.
    app.router.add_get("/answers/{id}/{transport}", read, allow_head=False)
    app.router.add_post("/tickets", ticket)
    app.router.add_post("/sessions", sign_in)
    app.router.add_get("/{transport:(?!answers$|tickets$|sessions$)[^/]+}", start_and_read, allow_head=False)


async def _decline(request: web.Request, cursor: int, busy: Busy) -> web.StreamResponse:
    """Say that there is no place in the transport's own way, or raise it where a status is understood."""
    decline = DECLINES.get(request.match_info["transport"])
    if not decline:
        raise busy
    return await decline(request, cursor, busy)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The fields in the body. Raises Refusal 400 and 408."""
    seconds = request.app[SETTINGS].body_s
    try:
        async with asyncio.timeout(seconds):
            body = await request.read()
    except web.RequestPayloadError:
        raise Refusal(400, "The body is damaged: it is not in the encoding that its headers name.") from None
    except TimeoutError:
        raise Refusal(408, f"The body did not arrive within {seconds:g} seconds.", {"Connection": "close"}) from None
    try:
        fields = json.loads(body or b"{}", object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refusal(400, 'The body is not JSON. Send an object such as {"preset":"english"}.') from None
    if not isinstance(fields, dict):
        raise Refusal(400, 'The body must be a JSON object such as {"preset":"english"}.')
    return fields


def answer_of(request: web.Request) -> Answer:
    """The answer that the path names, if it is the asker's or has no owner. Raises Refusal 404."""
    return request.app[STORE].find(request.match_info["id"], asker(request), bool(request.get(BY_TICKET)))


def source_of(answer: Answer) -> dict[str, Any]:
    """What a model's answer says of itself, and when the model had its tokens; of a script nothing is to be said."""
    return {"source": {**answer.about, **pace(answer)}} if answer.about else {}


def asker(request: web.Request) -> str | None:
    """The session that asks, if it is one."""
    return request.app[SESSIONS].owner_of(request)


def _transport(request: web.Request) -> Transport:
    name = request.match_info["transport"]
    if name not in TRANSPORTS:
        raise Refusal(404, f"There is no transport {name[:40]!r}. There are {', '.join(TRANSPORTS)}.")
    return TRANSPORTS[name]


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A document that is true for this moment only."""
    return web.Response(
        status=status,
        body=to_json(document),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
