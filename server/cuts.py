"""`POST /answers/{id}/cuts`: cut the cable between an answer and its readers, for a lesson on what happens then.

The one thing to notice: only the way is cut. The answer goes on being written, and who comes back reads it on.
"""

from typing import Any

from aiohttp import web

from server.cables import CABLES
from server.refusal import Refusal
from server.transports import TRANSPORTS
from server.views import answer_of, json_object, json_response

LONGEST_S = 10


async def cut(request: web.Request) -> web.Response:
    """Reset who reads the answer over a transport, or over all of them, and for so many seconds whoever comes back.

    The fields are `seconds`, 0 to LONGEST_S, and `transport`. Readers of other answers and transports notice nothing.
    """
    answer = answer_of(request)
    fields = await json_object(request)
    if strange := fields.keys() - {"transport", "seconds"}:
        raise Refusal(400, f"There is no field {min(strange)[:40]!r} to a cut. It takes transport and seconds.")
    transports, seconds = _transports(fields), _seconds(fields)
    for transport in transports:
        request.app[CABLES].cut(answer, transport, seconds)
    return json_response({"transports": transports, "seconds": seconds}, status=202)


def _transports(fields: dict[str, Any]) -> list[str]:
    name = fields.get("transport")
    if "transport" not in fields:
        return list(TRANSPORTS)
    if not (isinstance(name, str) and name in TRANSPORTS):
        raise Refusal(400, f"transport must be one of {', '.join(TRANSPORTS)}; without it, all are cut.")
    return [name]


def _seconds(fields: dict[str, Any]) -> float:
    seconds = fields.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_S:
        raise Refusal(400, f"seconds must be a number from 0 to {LONGEST_S}: how long the cable stays cut.")
    return seconds


def add_routes(app: web.Application) -> None:
    """The route."""
    app.router.add_post("/answers/{id}/cuts", cut)
