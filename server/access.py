"""The access log: a line for each request, in which nothing can be found that opens anything.

The one thing to notice: an address is written as it came, percent-encoded, and never decoded. Decoding would let a
request write whole lines of its own.
"""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from aiohttp import web

SHOWN = ("cursor", "format", "lang", "preset")
"""What a query may show in full. Everything else may be a secret, or what somebody wrote."""

LONGEST_WORD = 15
"""A longer part of a path may be an id; and an access token has 16 characters or more."""


def line(request: web.BaseRequest, response: web.StreamResponse | None, seconds: float) -> str:
    """Who, when (UTC), what, the status, the bytes that went out, and how long it took; `cut` without a response."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    asked = f"{escaped(request.method)} {redacted(request.raw_path)}"
    came = f"{response.status} {response.body_length}" if response else "cut -"
    return f'{request.remote} {now} "{asked}" {came} {seconds * 1000:.0f}ms'


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
