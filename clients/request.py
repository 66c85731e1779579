"""One HTTP request, the same for every client that is no WebSocket: its URL, its limits, its refusals, its stream.

The one thing to notice: an end of the stream without a last chunk is a failure, never an end.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from clients.chunk import CUT, Chunk, Refused, StreamError
from clients.connection import CONNECTION

NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=10)  # an answer takes as long as it takes


def at(url: str, cursor: int) -> URL:
    """The address that reads on from `cursor`."""
    return URL(url).update_query(cursor=cursor)


def session() -> aiohttp.ClientSession:
    """A session whose connections are kept between requests, as a browser does."""
    connection = CONNECTION.get()
    connector = aiohttp.TCPConnector(ssl=connection.trust or True)
    return aiohttp.ClientSession(timeout=NO_LIMIT, connector=connector, headers=connection.headers)


def no_server(url: URL) -> str:
    """What to do when nobody listens there."""
    return f"There is no server at {url.origin()}. Start one with: python -m server. Is it elsewhere? Say --server URL."


def no_trust(url: URL, error: object) -> str:
    """What to do about a certificate that nobody known here has signed, or one for another name."""
    return f"{url.origin()} cannot be trusted: {error}. Is the certificate your own? Say --cafile FILE."


@asynccontextmanager
async def requesting(
    session: aiohttp.ClientSession, method: str, url: URL, **options: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response, once its head is there. Raises Refused with the server's own sentence, StreamError when cut."""
    try:
        async with session.request(method, url, allow_redirects=False, **options) as response:
            if response.status >= 500 or 300 <= response.status < 400:  # no pushlab server redirects
                raise StreamError(explained(response.status, await response.read()))
            if response.status >= 400:
                raise Refused(response.status, explained(response.status, await response.read()))
            yield response
    except aiohttp.ClientSSLError as error:
        raise StreamError(no_trust(url, error.os_error.strerror or error)) from None
    except aiohttp.ClientConnectorError:
        raise StreamError(no_server(url)) from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StreamError(f"The connection to {url.origin()} broke: {error or type(error).__name__}.") from error


async def streamed(
    url: str, cursor: int, feed: Callable[[bytes], list[Chunk]], **options: Any
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a response that goes on until the answer ends; `feed` finds them in its bytes."""
    async with session() as connections, requesting(connections, "GET", at(url, cursor), **options) as response:
        if response.status == 204:  # we have read the end before
            return
        async for data in response.content.iter_any():
            for chunk in feed(data):
                yield chunk
                if chunk.done:
                    return
    raise StreamError(CUT)


def explained(status: int, body: bytes | bytearray) -> str:
    """The sentence in a problem document (RFC 9457), or, without one, the bare status."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server refused with status {status}."
