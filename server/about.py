"""What the server says of itself: what it offers, within which limits, and whether it takes work.

The one thing to notice: who is healthy says so with a status, since nobody who checks reads the rest.
"""

from aiohttp import web

from server.answer import READ_LIMIT
from server.readers import READERS
from server.settings import SETTINGS
from server.store import STORE
from server.transports import TRANSPORTS
from server.views import json_response


async def transports(request: web.Request) -> web.Response:
    """`GET /transports`: every transport, and the limits of this server."""
    settings = request.app[SETTINGS]
    rows = {
        name: {"summary": (transport.__doc__ or "").partition("\n")[0], "path": f"/answers/{{id}}/{name}"}
        for name, transport in TRANSPORTS.items()
    }
    limits = {
        "hold_s": settings.hold_s,
        "heartbeat_s": settings.heartbeat_s,
        "write_s": settings.write_s,
        "body_s": settings.body_s,
        "keep_s": settings.keep_s,
        "chunk_characters": READ_LIMIT,
        "message_bytes": settings.max_message_bytes,
        "body_bytes": settings.max_body_bytes,
        "text_characters": settings.max_text,
        "answer_characters": settings.max_answer,
        "answers": settings.max_answers,
        "readers": settings.max_readers,
    }
    return json_response({"transports": rows, "limits": limits})


async def healthz(request: web.Request) -> web.Response:
    """`GET /healthz`: how much work the server has; 200 while it takes more, 503 once it is being stopped."""
    store = request.app[STORE]
    document: dict[str, object] = {"typing": store.writing, "readers": request.app[READERS].count}
    if store.closed:
        return json_response(document | {"stopping": True}, status=503)
    return json_response(document)


def add_routes(app: web.Application) -> None:
    """The routes. They come before those of the API, whose `/{transport}` would take them."""
    app.router.add_get("/transports", transports)
    app.router.add_get("/healthz", healthz)
