"""`python -m lab relay --server URL`: a bad network to click through, and to set faults of by curl.

The one thing to notice: the first line of standard output is the address to use in the place of the server's. All else
goes to standard error.
"""

import argparse
import asyncio
import errno
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any

from yarl import URL

from lab.relay.control import controlling
from lab.relay.faults import FIN, RST, Faults, faults
from lab.relay.relay import LOOPBACK, relaying


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command: each fault is one."""
    parser.add_argument("--server", type=_address, required=True, metavar="URL", help="http://127.0.0.1:PORT, or https")
    for flag, meaning in (("--port", "port to listen on"), ("--control-port", "port on which faults are set")):
        parser.add_argument(flag, type=_port, default=0, metavar="N", help=f"{meaning} (default: a free one)")
    for each in fields(Faults):
        flag, meaning = "--" + each.name.replace("_", "-"), each.metadata["help"]
        if isinstance(each.default, bool):
            parser.add_argument(flag, action="store_true", default=None, help=meaning)
        elif each.name == "cut":
            parser.add_argument(flag, choices=(FIN, RST), help=f"{meaning} (default: {each.default})")
        else:
            parser.add_argument(flag, type=_number, metavar="N", help=meaning)


def run(parser: argparse.ArgumentParser, given: argparse.Namespace, failed: Callable[[str], int]) -> int:
    """Relay until SIGTERM. `failed` says a sentence and gives the exit code for it."""
    flags = {each.name: value for each in fields(Faults) if (value := getattr(given, each.name)) is not None}
    try:
        wrong = faults(flags)
    except ValueError as error:
        parser.error(str(error))
    try:
        asyncio.run(_relay(given.server, wrong, given.port, given.control_port))
    except _NoServer:
        return failed(f"There is no server at {given.server}. Start one with: python -m server")
    except OSError as error:
        return failed(_explained(error))
    return 0


class _NoServer(Exception):
    """Nobody listens there."""


async def _relay(server: URL, wrong: Faults, port: int, control_port: int) -> None:
    assert server.port  # noqa: S101 - an address that was checked has one
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, server.port)
    except OSError:
        raise _NoServer from None
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    stopped = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with (
        relaying(server.port, faults=wrong, port=port, keeps=False) as relay,
        controlling(relay, control_port) as control,
    ):
        print(relay.through(str(server.origin())).rstrip("/"), flush=True)
        print(_how_to_use(control), file=sys.stderr, flush=True)
        await stopped.wait()


def _how_to_use(control: str) -> str:
    return (
        f"Faults are set while it runs: curl -X PUT -d '{{\"cut_after\":1000}}' {control}/faults, "
        f"and what happened is at {control}/counts    (Ctrl-C ends)"
    )


def _explained(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "That port is in use. Choose another with --port N or --control-port N, or leave it out for a free one."
    if error.errno == errno.EACCES:
        return "That port needs more rights than you have. Choose one from 1024 up."
    return f"Cannot listen: {error.strerror or error}."


def _address(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or url.host not in (LOOPBACK, "localhost"):
        raise argparse.ArgumentTypeError(f"{text!r} is no server of this machine. One looks like http://127.0.0.1:8000")
    return url


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: they go from 0 to 65535")
    return int(text)


def _number(text: str) -> Any:
    """A whole number where it is one: which faults take others, they say themselves."""
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
