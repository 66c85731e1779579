"""One HTTP request, the same for every client that is no WebSocket: its URL, its limits, its refusals, its stream.

The one thing to notice: nothing is believed that comes from the other side. It may redirect, compress, never end or
send something else, and each of that is an error with a sentence, found before much memory is used.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from clients.chunk import CUT, LARGEST, TOO_LARGE, Chunk, Malformed, NoServer, Refused, StreamError
from clients.connection import CONNECTION

NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=10)  # an answer takes as long as it takes
LONGEST_SENTENCE = 500
"""Characters of what somebody else says in an error."""


def at(url: str, cursor: int) -> URL:
    """The address that reads on from `cursor`."""
    return URL(url).update_query(cursor=cursor)


def session() -> aiohttp.ClientSession:
    """A session whose connections are kept between requests, as a browser does."""
    connection = CONNECTION.get()
    connections = aiohttp.ClientSession(
        timeout=NO_LIMIT,
        connector=aiohttp.TCPConnector(ssl=connection.trust or True),
        headers={"Accept-Encoding": "identity", **connection.headers},
        auto_decompress=False,  # 10 kB can be 10 MB, and who compresses a stream holds small chunks back
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    connections._retry_connection = False  # it would ask again by itself at once, and nobody would count that
    return connections


def no_trust(url: URL, error: object) -> str:
    """What to do about a certificate that nobody known here has signed, or one for another name."""
    return f"{url.origin()} cannot be trusted: {error}. Is the certificate your own? Say --cafile FILE."


def broke(url: URL, error: BaseException) -> str:
    """What became of a connection; only the first line of what a library says, which may quote the other side."""
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):  # these quote their own innards
        return f"The connection to {url.origin()} broke before the response was complete."
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
    return f"The connection to {url.origin()} broke: {reason[:LONGEST_SENTENCE].rstrip('.')}."


def late(url: URL) -> str:
    """Nothing came, or not all of it."""
    return f"The server at {url.origin()} did not respond in time."


@asynccontextmanager
async def requesting(
    session: aiohttp.ClientSession, method: str, url: URL, **options: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response, once its head is there.

    Raises Refused with the server's own sentence, StreamError when cut or told to come later, Malformed for what is no
    HTTP.
    """
    try:
        async with session.request(method, url, allow_redirects=False, **options) as response:
            if response.status >= 300:
                raise refusal(response.status, await body(response), response.headers.get("Retry-After"))
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise Malformed("The server compressed its response, though it was asked not to.")
            yield response
    except aiohttp.ClientSSLError as error:
        raise StreamError(no_trust(url, error.os_error.strerror or error)) from None
    except aiohttp.ClientConnectorError:
        raise NoServer(str(url.origin())) from None
    except aiohttp.ClientResponseError as error:
        raise Malformed(
            f"What answers at {url.origin()} does not keep to HTTP, or its headers are too large."
        ) from error
    except TimeoutError as error:
        raise StreamError(late(url)) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise StreamError(broke(url, error)) from error


async def body(response: aiohttp.ClientResponse) -> bytes:
    """All of it. Raises Malformed when it is larger than a chunk can be."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > LARGEST:
            raise Malformed(TOO_LARGE)
    return bytes(data)


def expect(response: aiohttp.ClientResponse, kind: str) -> None:
    """Raise Malformed unless the response says that it is of this media type."""
    if response.content_type != kind:
        raise Malformed(f"The server sent {response.content_type[:80]!r} where {kind} was to come.")


def _cut() -> StreamError:
    return StreamError(CUT)


async def streamed(
    url: str,
    cursor: int,
    kind: str,
    feed: Callable[[bytes], list[Chunk]],
    broken_off: Callable[[], StreamError] = _cut,
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a response that goes on until the answer ends; `feed` finds them in its bytes.

    `broken_off` says what it means when the response ends in order, but without a last chunk.
    """
    headers = {"Accept": kind}
    async with session() as connections, requesting(connections, "GET", at(url, cursor), headers=headers) as response:
        if response.status == 204:  # we have read the end before
            return
        expect(response, kind)
        async for data in response.content.iter_any():
            for chunk in feed(data):
                yield chunk
                if chunk.done:
                    return
    raise broken_off()


def refusal(status: int, body: bytes | bytearray, retry_after: str | None) -> StreamError | Refused:
    """What a status that is no success means: "not now" for 429 and whatever is the server's fault, else "no"."""
    sentence = explained(status, body)
    return StreamError(sentence, _seconds(retry_after)) if status == 429 or status >= 500 else Refused(status, sentence)


def explained(status: int, body: bytes | bytearray) -> str:
    """The sentence in a problem document (RFC 9457), or, without one, the bare status."""
    try:
        return str(json.loads(body)["detail"])[:LONGEST_SENTENCE]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"The server refused with status {status}."


def _seconds(retry_after: str | None) -> float | None:
    """Seconds from now: `Retry-After` holds a number of them, or a date (RFC 9110 10.2.3)."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:15])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
