"""nginx with nchan: readers are nginx's, and this process is the publisher, which posts each token when it is due.

The URL that is printed is the publisher's; links are absolute and lead to nginx, its child. Posts go down one
connection without waiting for replies. What nginx takes to receive them is part of what a token costs it.

The one thing to notice: the ids of a channel are nginx's own. A reader resumes by them and not by our cursor, which is
why there is nothing to poll.
"""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

from aiohttp import web

from lab.peers.servers.answer import Answer, Answers, compact
from lab.peers.servers.clock import Clock
from lab.peers.servers.lifetime import live

CONFIGURATION = Template((Path(__file__).parent / "nginx.conf").read_text())
POST = b"POST /publish/%b HTTP/1.1\r\nHost: nginx\r\n%bContent-Length: %d\r\n\r\n%b"
DELETE = b"DELETE /publish/%b HTTP/1.1\r\nHost: nginx\r\n\r\n"


class Posting(asyncio.Protocol):
    """The connection to nginx."""

    def __init__(self) -> None:
        self.replied, self.failed = asyncio.Event(), asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Replies; only the first of them and a refusal are news."""
        self.replied.set()
        if b"HTTP/1.1 4" in data or b"HTTP/1.1 5" in data:
            self.failed.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """Without nginx there is nothing to do."""
        self.failed.set()


class Publication:
    """An answer that is being published: a channel of its name, a message for each chunk."""

    def __init__(self, name: str, answer: Answer, write: Callable[[bytes], None]) -> None:
        self.name, self.answer, self.write = name.encode(), answer, write
        self.at = 0

    def turn(self) -> float | None:
        """Post the chunk that is due; gives when the next is. After the end the channel is closed."""
        chunk = self.answer.entry(self.at)
        data = compact(chunk).encode()
        event = b"X-EventSource-Event: end\r\n" if "done" in chunk else b""
        self.write(POST % (self.name, event, len(data), data))
        self.at += 1
        if "done" in chunk:
            self.write(DELETE % self.name)
            return None
        return self.answer.due(self.at)


async def main(program: str, module: str, connections: int) -> None:
    """Serve. The files of nginx and of nchan are given, and how many connections there may be."""
    async with nginx(program, module, connections) as port:
        publisher, posting = await asyncio.get_running_loop().create_connection(Posting, "127.0.0.1", port)
        publisher.write(POST % (b"0", b"", 2, b"{}") + DELETE % b"0")
        await posting.replied.wait()  # the worker is there: before, it was only the socket that listened
        clock = Clock()
        answers = Answers(("sse", "websocket"), base=f"http://127.0.0.1:{port}")

        async def start(request: web.Request) -> web.Response:
            document = answers.start(await request.text())
            if answer := answers.find(document["id"]):
                clock.at(answer.due(0), Publication(document["id"], answer, publisher.write).turn)
            return web.json_response(document, status=201)

        app = web.Application()
        app.add_routes([web.post("/answers", start)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        living = asyncio.create_task(live(f"http://127.0.0.1:{runner.addresses[0][1]}"))
        failing = asyncio.create_task(posting.failed.wait())
        await asyncio.wait([living, failing], return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            sys.exit("nginx has ended, or refused a message.")


@asynccontextmanager
async def nginx(program: str, module: str, connections: int) -> AsyncIterator[int]:
    """Have it run while the block does; gives its port. It inherits a listening socket, as it does when upgraded."""
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        port, inherited = listening.getsockname()[1], listening.fileno()
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(CONFIGURATION.substitute(module=module, connections=connections, port=port))
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM"),  # not even when we are killed does it outlive us
            *(program, "-p", folder, "-c", str(configuration), "-e", "nginx.log"),
            pass_fds=[inherited],
            env=os.environ | {"NGINX": f"{inherited};"},
        )
        listening.close()
        try:
            yield port
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
