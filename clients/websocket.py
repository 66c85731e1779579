"""WebSocket, with the `websockets` library: a second implementation of RFC 6455 beside the server's.

The one thing to notice: there is nothing to decode. The protocol already cuts the stream into messages, and says with
a number why it closes.
"""

import ssl
from collections.abc import AsyncGenerator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from yarl import URL

from clients.attention import attentive
from clients.chunk import CUT, LARGEST, TOO_LARGE, Chunk, Malformed, NoServer, Refused, StreamError, parse
from clients.connection import CONNECTION
from clients.request import at, broke, late, no_trust, refusal

OPEN_S = 10
"""How long a handshake may take. A refusal that never ends is told by nothing else."""

PING_S = 20
"""How often to ask whether the other side is still there; that also finds one that does not close when it should."""

CLOSE_S = 2
"""How long the other side may take to close in order: who leaves does not want to wait for it."""

CLOSES = {
    1001: "The server is going away, and closed the connection before the end of the answer.",
    1012: "The server restarts, and closed the connection before the end of the answer.",
    1013: "The server has no place for a reader now: try again later.",
}
"""What its numbers mean (RFC 6455 7.4.1 and the IANA registry), where it gives no reason of its own."""

OURS = {
    1002: "The server does not keep to the WebSocket protocol.",
    1009: TOO_LARGE,
}
"""The same for closing from our side, when the library will have no more of it."""

LATER_S = 1.0
"""When to come back after 1013, which is all that it says."""


class Connect(connect):
    """It follows no redirect: a token is for the server that it was given for, and no pushlab server redirects."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Never a new address."""
        return exc


def websocket(url: str, cursor: int = 0, deflate: bool = False) -> AsyncGenerator[Chunk, None]:
    """Every message from `cursor` to the end. A close with 1000 before any chunk means that the end was read before."""
    return attentive(messages(url, cursor, deflate), cursor)


async def messages(url: str, cursor: int, deflate: bool) -> AsyncGenerator[Chunk, None]:
    """The same, however long the server is silent."""
    address = at(url, cursor)
    address = address.with_scheme({"https": "wss"}.get(address.scheme, "ws"))
    connection = CONNECTION.get()
    options: dict[str, Any] = {"ssl": connection.trust} if address.scheme == "wss" else {}
    chunk = None
    try:
        async with Connect(
            str(address),
            compression="deflate" if deflate else None,
            additional_headers=connection.headers,
            proxy=None,
            max_size=LARGEST,
            open_timeout=OPEN_S,
            ping_interval=PING_S,
            close_timeout=CLOSE_S,
            **options,
        ) as socket:
            while not (chunk and chunk.done):
                chunk = parse(await socket.recv(decode=False))
                yield chunk
    except ConnectionClosed as error:
        if problem := closed(error, address, bool(chunk)):
            raise problem from error
    except InvalidStatus as no:
        raise refused(no) from None
    except InvalidHandshake as error:
        if isinstance(error.__cause__, EOFError | OSError):  # cut off before its end, which is no fault of the format
            raise StreamError(broke(address, error.__cause__)) from error
        raise Malformed(f"What answers at {address.origin()} does not speak WebSocket as it should.") from error
    except TimeoutError as error:
        raise StreamError(late(address)) from error
    except ssl.SSLError as error:
        raise StreamError(no_trust(URL(url), error.reason or error)) from None
    except OSError:
        raise NoServer(str(URL(url).origin())) from None


def closed(error: ConnectionClosed, address: URL, read: bool) -> StreamError | None:
    """What it means that the connection was closed, after some chunks or before any. None: all is well."""
    if error.sent and not error.rcvd_then_sent and error.sent.code in OURS:
        return Malformed(OURS[error.sent.code])
    if not error.rcvd:
        return StreamError(broke(address, error))
    code, reason = error.rcvd.code, error.rcvd.reason
    if code == 1000:
        return StreamError(CUT) if read else None
    sentence = reason or CLOSES.get(code, f"The server closed the connection with code {code}.")
    return StreamError(sentence, LATER_S if code == 1013 else None)


def refused(no: InvalidStatus) -> StreamError | Refused:
    """What a handshake means that was answered by another status than 101."""
    response = no.response
    if response.status_code < 300:
        return Malformed("The server answered, but not as a WebSocket.")
    return refusal(response.status_code, response.body, response.headers.get("Retry-After"))
