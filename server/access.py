"""The access log: a line for each request, in which nothing can be found that opens anything.

The one thing to notice: an address is written as it came, percent-encoded, and never decoded. Decoding would let a
request write whole lines of its own.
"""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from aiohttp import web

SHOWN = ("cursor", "format", "lang", "preset")
"""What a query may show in full. Everything else may be a secret, or what somebody wrote."""

LONGEST_WORD = 16
"""A longer part of a path may be an id."""


def line(request: web.BaseRequest, response: web.StreamResponse, seconds: float) -> str:
    """Who, when (UTC), what, the status, the bytes of the body, and how long it took."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    asked = f"{escaped(request.method)} {redacted(request.raw_path)}"
    return f'{request.remote} {now} "{asked}" {response.status} {response.body_length} {seconds * 1000:.0f}ms'


def redacted(address: str) -> str:
    """The address without what could be used again: ids are cut short, and of the query the names are left."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "(no address)"
    path = "/".join(map(_short, parts.path.split("/")))
    query = "&".join(map(_named, parts.query.split("&"))) if parts.query else ""
    return escaped(f"{path}?{query}" if query else path)


def escaped(text: str) -> str:
    """The text on one line: what is not printable is written out, such as `\\x1b`, and so are quotes."""
    return "".join(
        character if character.isprintable() and character not in '"\\' else _written_out(character)
        for character in text
    )


def _written_out(character: str) -> str:
    return f"\\{character}" if character in '"\\' else character.encode("unicode_escape").decode()


def _short(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else f"{word[:6]}…"


def _named(field: str) -> str:
    name, _, value = field.partition("=")
    return f"{_short(name)}={_short(value) if name in SHOWN else '…'}"
