"""WebSocket, with the `websockets` library: a second implementation of RFC 6455 beside the server's.

The one thing to notice: there is nothing to decode. The protocol already cuts the stream into messages.
"""

import ssl
from collections.abc import AsyncGenerator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus
from yarl import URL

from clients.chunk import CUT, Chunk, Refused, StreamError, parse
from clients.connection import CONNECTION
from clients.request import at, explained, no_server, no_trust


async def websocket(url: str, cursor: int = 0, deflate: bool = False) -> AsyncGenerator[Chunk, None]:
    """Every message from `cursor` to the end. A close with 1000 before any chunk means that the end was read before."""
    address = at(url, cursor)
    address = address.with_scheme({"https": "wss"}.get(address.scheme, "ws"))
    connection = CONNECTION.get()
    options: dict[str, Any] = {"ssl": connection.trust} if address.scheme == "wss" else {}
    chunk = None
    try:
        async with connect(
            str(address),
            compression="deflate" if deflate else None,
            additional_headers=connection.headers,
            proxy=None,
            **options,
        ) as socket:
            async for message in socket:
                chunk = parse(message)
                yield chunk
                if chunk.done:
                    return
    except InvalidStatus as refusal:
        status, body = refusal.response.status_code, refusal.response.body
        raise (
            Refused(status, explained(status, body)) if status < 500 else StreamError(explained(status, body))
        ) from None
    except (InvalidHandshake, ConnectionClosedError, TimeoutError) as error:
        raise StreamError(f"The connection to {address.origin()} broke: {error}.") from error
    except ssl.SSLError as error:
        raise StreamError(no_trust(URL(url), error.reason or error)) from None
    except OSError:
        raise StreamError(no_server(URL(url))) from None
    if chunk:
        raise StreamError(CUT)
