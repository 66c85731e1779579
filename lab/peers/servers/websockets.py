"""The `websockets` library: each reader has a handler, which sleeps until its next token is due and sends it.

It takes no request but GET, so answers are started at a second listener in the same process, on aiohttp. The URL that
is printed is that one's, and links are absolute: `ws://127.0.0.1:PORT/answers/ID/websocket`.

The one thing to notice: returning from the handler is the whole of closing; the library does it with 1000.
"""

import asyncio
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from lab.peers.servers.answer import HOLD_S, Answers, compact
from lab.peers.servers.lifetime import live


async def main() -> None:
    """Serve."""

    async def deliver(connection: ServerConnection) -> None:
        assert connection.request  # noqa: S101 - there is one once it is open
        url = urlsplit(connection.request.path)
        if not (answer := answers.find(url.path.split("/")[2])):
            await connection.close(CloseCode.POLICY_VIOLATION, "There is no such answer.")
            return
        cursor = int(parse_qs(url.query).get("cursor", ["0"])[0])
        with suppress(ConnectionClosed):
            for at in range(cursor, len(answer.tokens) + 1):
                await asyncio.sleep(answer.due(at) - time.monotonic())
                await connection.send(compact(answer.entry(at)))

    async def start(request: web.Request) -> web.Response:
        return web.json_response(answers.start(await request.text()), status=201)

    server = await serve(deliver, "127.0.0.1", 0, compression=None, ping_interval=HOLD_S)
    answers = Answers(("websocket",), base=f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
    app = web.Application()
    app.add_routes([web.post("/answers", start)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await live(f"http://127.0.0.1:{runner.addresses[0][1]}")


if __name__ == "__main__":
    asyncio.run(main())
