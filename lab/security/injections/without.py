"""How the defences of this family are taken away: what people write who take a text for text.

The one thing to notice: nothing in here looks wrong until a text holds the one character that means something on its
way. Only lab/security/weakened.py imports this, in a process of its own.
"""

import secrets
from collections.abc import Callable
from urllib.parse import unquote

from aiohttp import web

from server import access, site
from server.answer import Answer, Chunk
from server.push import stream
from server.settings import SETTINGS, Settings
from server.transports import TRANSPORTS
from server.transports.iframe import prelude
from server.wire import encode

NAIVE_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>naive</title>
<button data-action="start">Start</button>
<section data-transport="{name}" data-state="idle">
  <p data-text></p>
  <p data-all></p>
  <p data-chunks>0</p>
</section>
<script type="module" src="/js/naive.js"></script>
</html>
"""

NAIVE_SCRIPT = """\
import { startAnswer } from '/js/answer.js';
import { TRANSPORTS } from '/js/transports/index.js';

const lane = document.querySelector('[data-transport]');
const part = (name) => lane.querySelector(`[data-${name}]`);

document.querySelector('[data-action=start]').onclick = async () => {
  const { unit, token_ms } = Object.fromEntries(new URLSearchParams(location.search));
  const text = new URLSearchParams(location.hash.slice(1)).get('text');
  const name = lane.dataset.transport;
  const answer = await startAnswer({ text, unit, token_ms: Number(token_ms) });
  let all = '';
  for await (const chunk of TRANSPORTS[name].stream(answer.links[name])) {
    if (chunk.text === '') continue;
    all += chunk.text;
    part('text').innerHTML += chunk.text; // wrong: whoever wrote the text writes the page
    part('all').innerHTML = all; // wrong in the same way, and a tag cut in two is whole again
    part('chunks').textContent = Number(part('chunks').textContent) + 1;
  }
  lane.dataset.state = 'done';
};
"""


def bare_event(chunk: Chunk) -> bytes:
    """An event as the article writes it: the text as it is. Wrong: a line end in the text ends the field."""
    end = f"event: end\ndata:{chunk.done}\n\n" if chunk.done else ""
    return f"id: {chunk.cursor}\ndata:{chunk.text}\n\n{end}".encode()


async def bare_sse(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """The stream of those events; its `retry` and its ids are those of the real one."""
    opening = b"retry: %d\n" % request.app[SETTINGS].retry_ms
    return await stream(request, answer, cursor, bare_event, opening, {"Content-Type": "text/event-stream"})


async def bare_iframe(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """The page of scripts, in two forms that both let the text out; `?format=quoted` takes the first."""
    nonce = secrets.token_urlsafe(16)

    def quoted(chunk: Chunk) -> bytes:
        """Wrong: a quote in the text ends the string, and what follows is code."""
        return f"<script nonce=\"{nonce}\">push({{text: '{chunk.text}'}})</script>\n".encode()

    def json(chunk: Chunk) -> bytes:
        """Wrong, though no quote ends it: the HTML parser looks for `</script>` and knows nothing of strings."""
        return b'<script nonce="%b">push(%b)</script>\n' % (nonce.encode(), encode(chunk))

    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'",
    }
    frame = quoted if request.query.get("format") == "quoted" else json
    return await stream(request, answer, cursor, frame, prelude(nonce), headers)


async def naive_page(request: web.Request) -> web.Response:
    """The page of one transport, as the article writes it: `innerHTML +=`."""
    page = NAIVE_PAGE.format(name=request.match_info["transport"])
    return web.Response(text=page, content_type="text/html")


async def naive_script(_request: web.Request) -> web.Response:
    """Its script. A file of its own, or the content security policy would not let the page start at all."""
    return web.Response(text=NAIVE_SCRIPT, content_type="text/javascript")


def bare_events(settings: Settings) -> Settings:
    """Write the text into events as it is."""
    TRANSPORTS["sse"] = bare_sse
    return settings


def bare_scripts(settings: Settings) -> Settings:
    """Write the text into scripts as it is, or as JSON that still holds `<`."""
    TRANSPORTS["iframe"] = bare_iframe
    return settings


def inner_html(settings: Settings) -> Settings:
    """Serve the naive page in the place of each transport's own; the routes that come first win."""
    add_routes = site.add_routes

    def naive_first(app: web.Application) -> None:
        app.router.add_get("/demo/{transport}", naive_page)
        app.router.add_get("/js/naive.js", naive_script)
        add_routes(app)

    site.add_routes = naive_first
    return settings


def raw_terminal(settings: Settings) -> Settings:
    """Change nothing: the terminal is the client's, and the attack runs raw_client.py in the place of `clients`."""
    return settings


def readable(text: str) -> str:
    """An address as people like to read it. Wrong: `%0A` in it becomes the end of the line."""
    return unquote(text)


def readable_log(settings: Settings) -> Settings:
    """Decode addresses for the log instead of escaping them."""
    access.escaped = readable
    return settings


WITHOUT: dict[str, Callable[[Settings], Settings]] = {
    "json-events": bare_events,
    "script-escaping": bare_scripts,
    "text-nodes": inner_html,
    "terminal-escaping": raw_terminal,
    "log-escaping": readable_log,
}
