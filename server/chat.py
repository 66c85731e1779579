"""`/v1`: the models of this server behind OpenAI's own API, so that any SDK for it can be pointed here.

The one thing to notice: it is one more way to read an answer, whose log, ledger and limits are those of all others. But
the answer belongs to its one request, as it does there: who hangs up stops it.
"""

import time
from typing import Any

from aiohttp import web

from server.answer import Answer, Chunk
from server.cables import CABLES
from server.completion import STOPPED, Asked, Completion, Usage, Wrong, asked
from server.ledger import LEDGER
from server.models import PACE, Scripted
from server.order import OFFER
from server.push import stream
from server.readers import READERS
from server.refusal import Refusal
from server.reply import reply
from server.settings import SETTINGS
from server.sources import Model
from server.sources.typewriter import split
from server.store import STORE
from server.views import LOCATION, asker, json_object, json_response
from server.visit import VISIT, Visit

NAME = "completions"
"""What the ledger calls this way of reading."""
HEADERS = {"Content-Type": "text/event-stream"}


async def completions(request: web.Request) -> web.StreamResponse:
    """`POST /v1/chat/completions`: ask a model of this server, and read its answer as a stream or as a whole."""
    fields = await json_object(request)
    model = _model(request, fields.get("model"))
    scripted = isinstance(model, Scripted)
    wanted = asked(fields, PACE if scripted else ())
    _check_length(request, wanted)
    source = model.answer(wanted.messages, wanted.options)
    app = request.app
    with Visit(app[READERS]) as visit:
        answer = app[STORE].start(source, asker(request))
        try:
            app[LEDGER].begin(request, answer, NAME)
            request[LOCATION] = f"/answers/{answer.id}"
            visit.along(await app[CABLES].find(request, answer, NAME), request.transport)
            request[VISIT] = visit
            return await _read(request, answer, wanted, scripted)
        except Refusal:
            del request[LOCATION]  # nobody will read that answer
            raise
        finally:
            app[STORE].stop(answer)  # who has hung up cannot come back for the rest; nothing to do after its end


async def models(request: web.Request) -> web.Response:
    """`GET /v1/models`: the names of all models."""
    return json_response({"object": "list", "data": [_card(name) for name in _names(request)]})


async def model(request: web.Request) -> web.Response:
    """`GET /v1/models/{name}`: that there is one of this name."""
    return json_response(_card(_model(request, request.match_info["name"]).name))


def add_routes(app: web.Application) -> None:
    """The routes."""
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{name:.+}", model)


async def _read(request: web.Request, answer: Answer, wanted: Asked, counts: bool) -> web.StreamResponse:
    """Send the answer. What goes wrong before its first token is still a status. `counts`: we count its tokens."""
    completion = Completion(f"chatcmpl-{answer.id}", int(time.time()), wanted.model, wanted.include_usage)

    def usage() -> dict[str, int] | None:
        return _counted(answer, wanted) if counts else answer.about.get("usage")

    def frame(chunk: Chunk) -> bytes:
        return completion.frame(chunk, answer.about.get("finish_reason"), usage() if chunk.done else None)

    def whole(chunk: Chunk) -> bytes:
        return completion.whole(chunk.text, answer.about.get("finish_reason"), usage())

    await (answer.wait(0) if wanted.stream else answer.wait_for_end())
    if answer.done and answer.done != "finished" and (answer.cursor == 1 or not wanted.stream):
        raise Refusal(502, answer.error or STOPPED)
    if wanted.stream:
        return await stream(request, answer, 0, frame, b"", HEADERS)
    return await reply(request, 0, Chunk(answer.cursor, answer.text, answer.done), whole)


def _counted(answer: Answer, wanted: Asked) -> dict[str, int]:
    """Of a script: the words of the question, and the tokens of the log without its end."""
    question = "\n".join(message["content"] for message in wanted.messages)
    return Usage(len(split(question, "word")), answer.cursor - 1).as_json()


def _names(request: web.Request) -> list[str]:
    offer = request.app[OFFER]
    own = [offer.model.name] if offer.model else []
    return list(dict.fromkeys([*own, *offer.presets]))


def _model(request: web.Request, name: Any) -> Model:
    """Raises Wrong, 400 for what is no name and 404 for one that there is not."""
    if not isinstance(name, str):
        raise Wrong("model", "model must be a string, the name of a model: GET /v1/models lists them.")
    offer = request.app[OFFER]
    if offer.model and offer.model.name == name:
        return offer.model
    if name in offer.presets:
        return Scripted(name, offer)
    raise Wrong("model", f"There is no model {name[:40]!r} here. There are {', '.join(_names(request))}.", 404)


def _check_length(request: web.Request, wanted: Asked) -> None:
    most, length = request.app[SETTINGS].max_text, sum(len(message["content"]) for message in wanted.messages)
    if length > most:
        raise Wrong(
            "messages", f"The messages have {length} characters; this server takes {most} at most (--max-text)."
        )


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "pushlab"}
