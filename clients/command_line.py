"""The command line: `python -m clients NAME` types an answer here; `python -m clients race` types all side by side.

Exit codes: 0 the whole text came, 1 it did not (a sentence on standard error says why), 2 wrong usage, 130 Ctrl-C.
"""

import argparse
import asyncio
import io
import os
import ssl
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from rich.console import Console
from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Refused, StreamError
from clients.connection import connecting
from clients.course import Trouble
from clients.lane import Lane, verdict
from clients.race import race
from clients.resume import resuming
from clients.terminal import safe

FIELDS = ("preset", "text", "prompt", "token_ms")
"""The flags that are fields of `POST /answers`."""


def main() -> int:
    """Parse, read, and say in one sentence what went wrong."""
    arguments = _parser().parse_args()
    fields = {name: value for name in FIELDS if (value := getattr(arguments, name)) is not None}
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no Chinese shows escapes, not errors
    try:
        with connecting(arguments.cafile, _permission(arguments.token)):
            if arguments.name == "race":
                return asyncio.run(run_race(arguments.server, fields))
            return asyncio.run(type_out(arguments.name, arguments.server, fields))
    except (Refused, StreamError) as error:
        return _failed(str(error))
    except OSError as error:
        # Nobody takes our output any more: `head` has left, the disk is full. Python would try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(f"The output could not be written: {error.strerror}.")
    except KeyboardInterrupt:
        return 130


async def type_out(name: str, server: str, fields: dict[str, Any]) -> int:
    """Type one answer on standard output, and nothing else there; what there is to say goes to standard error."""
    lane = Lane(name, time.monotonic())

    def tell(trouble: Trouble) -> None:
        lane.note(trouble)
        _tell(trouble)

    client = resuming(CLIENTS[name], tell)
    async with answering(server, **fields) as links, aclosing(client(_link(links, name))) as chunks:
        try:
            async for chunk in chunks:
                lane.take(chunk)
                print(safe(chunk.text), end="", flush=True)
        except (StreamError, Refused) as error:
            if lane.characters:
                print(flush=True)
            raise StreamError(lane.lose(error)) from error
        print(flush=True)
    print(lane.figures, file=sys.stderr)
    return _judge([lane])


async def run_race(server: str, fields: dict[str, Any]) -> int:
    """Type one answer over all transports, side by side."""
    started = time.monotonic()
    async with answering(server, **fields) as links:
        lanes = await race({name: _link(links, name) for name in CLIENTS}, started, Console())
    return _judge(lanes)


def _tell(trouble: Trouble) -> None:
    """Say that the reader is back; or, when the first try to come back has failed, that it goes on trying."""
    broke = f"The connection broke after {trouble.cursor} token{'s' * (trouble.cursor != 1)};"
    line_end = "\n" if sys.stderr.isatty() else ""  # in the middle of a typed line
    if trouble.back:
        print(f"{line_end}{broke} read on after {trouble.seconds:.1f} s.", file=sys.stderr)
    elif trouble.failures == 2:
        print(f"{line_end}{broke} trying to come back.", file=sys.stderr)


def _permission(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _link(links: dict[str, str], name: str) -> str:
    if name not in links:
        raise StreamError(f"This server offers no {name}; it offers {', '.join(links) or 'nothing'}.")
    return links[name]


def _judge(lanes: list[Lane]) -> int:
    wrong = verdict(lanes)
    return _failed(wrong) if wrong else 0


def _failed(sentence: str) -> int:
    """Say it where people look for errors. Whoever runs the server may have written it, so it is made safe, too."""
    print(safe(sentence), file=sys.stderr)
    return 1


def _address(text: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a server. One looks like http://127.0.0.1:8000")
    return text


def _token(text: str) -> str:
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise argparse.ArgumentTypeError("a token is ASCII without spaces, since it travels in a header")
    return text


def _certificates(text: str) -> Path:
    try:
        ssl.create_default_context(cafile=text)
    except OSError as error:  # ssl.SSLError is one
        raise argparse.ArgumentTypeError(f"{text!r} holds no certificates in PEM: {error.strerror or error}") from None
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m clients",
        description="Read an answer of a running server (python -m server) over one transport, or all at once.",
    )
    parser.add_argument("name", choices=[*CLIENTS, "race"], help="the transport, or all of them side by side")
    parser.add_argument(
        "--server", type=_address, default="http://127.0.0.1:8000", metavar="URL", help="default: %(default)s"
    )
    parser.add_argument("--cafile", type=_certificates, metavar="FILE", help="certificates to trust (PEM), for https")
    parser.add_argument(
        "--token",
        type=_token,
        default=os.environ.get("PUSHLAB_TOKEN", ""),
        metavar="X",
        help="access token of a server that has one; better as PUSHLAB_TOKEN, where others cannot see it",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--preset", metavar="NAME", help="one of the server's answers, such as english or edge")
    what.add_argument("--text", help="a text of your own")
    what.add_argument("--prompt", help="ask the server's model, if it has one (python -m server --model)")
    parser.add_argument("--token-ms", type=float, metavar="MS", help="milliseconds between tokens")
    return parser
