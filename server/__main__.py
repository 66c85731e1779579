"""The command line: `python -m server`. Every field of Settings is a flag.

Exit codes: 0 ended by SIGTERM, 1 could not serve, 2 wrong usage, 130 Ctrl-C.
"""

import argparse
import asyncio
import errno
import ipaddress
import math
import os
import signal
import sys
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from server.app import serving
from server.collector import calm
from server.models import unusable
from server.settings import FLAGS, Settings
from server.sources import Unavailable
from server.sources.replay import BadTrace
from server.tls import BadCertificate, own_certificate, reachable

SHORTEST_TOKEN = 16
NEW_TOKEN = 'One is made by: python -c "import secrets; print(secrets.token_hex(16))"'  # noqa: S105 - how to make one


def main() -> int:
    """Parse, serve, and say in one sentence what went wrong."""
    parser = _parser()
    arguments = vars(parser.parse_args())
    open_browser, tls = arguments.pop("open"), arguments.pop("tls")
    if arguments["host"] == "localhost":
        arguments["host"] = "127.0.0.1"  # the name can mean two addresses, and a free port would differ between them
    arguments["token"] = arguments["token"] or os.environ.get("PUSHLAB_TOKEN", "")
    settings = Settings(**arguments)
    _check(parser, settings, tls)
    try:
        with ExitStack() as stack:
            cafile = None
            if tls:
                settings, cafile = stack.enter_context(own_certificate(settings))
            asyncio.run(serve(settings, open_browser, cafile))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(_explained(error, settings), file=sys.stderr)
        return 1
    except (Unavailable, BadTrace) as error:
        print(error, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 0  # by SIGTERM, before it served
    return 0


async def serve(settings: Settings, open_browser: bool, cafile: Path | None) -> None:
    """Serve until SIGTERM. The URL is the first line of standard output; how to use it goes to standard error."""
    stopped, starting = asyncio.Event(), asyncio.current_task()

    def stop() -> None:
        stopped.set()
        if starting:
            starting.cancel()

    _once_on_sigterm(stop)
    async with serving(settings) as url:
        starting = None
        calm()
        print(url, flush=True)
        print(_how_to_use(url, settings, cafile), file=sys.stderr, flush=True)
        if open_browser and _has_screen():
            webbrowser.open(url)
        await stopped.wait()


def _once_on_sigterm(stop: Callable[[], None]) -> None:
    """Stop at the first SIGTERM, and take no notice of another one, to our last moment.

    A handler of the loop would end with the loop, and a second SIGTERM after that would end us otherwise than with 0.
    """
    loop = asyncio.get_running_loop()

    def heard(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop)

    signal.signal(signal.SIGTERM, heard)


def _how_to_use(url: str, settings: Settings, cafile: Path | None) -> str:
    """What to type next; and whom it is open to, where that is not this machine alone."""
    trust = f" --cacert {cafile}" if cafile else ""
    token = " -H 'Authorization: Bearer TOKEN'" if settings.token else ""
    lines = [f"Open it in a browser, or type: curl -N{trust}{token} {url}/sse    (Ctrl-C ends)"]
    if cafile:
        lines.append(
            f"The certificate was made for this run. Python clients: --server {url} --cafile {cafile}; "
            "a browser will ask whether to trust it."
        )
    if not _is_loopback(settings.host):
        places = " or ".join(url.replace(settings.host, place) for place in reachable(settings.host))
        lines.append(f"It is open to the network, to whoever knows the token: {places}")
        if not settings.certfile:
            lines.append("Without --tls the token and every text cross that network in the clear.")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Type one answer over five push transports, on this machine only unless there is a --token.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser, where there is a screen")
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve https and wss with a certificate made for this run; or give --certfile",
    )
    for setting in FLAGS:
        flag = "--" + setting.name.replace("_", "-")
        kind, meaning = type(setting.default), setting.metadata["help"]
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=meaning)
        else:
            parser.add_argument(flag, type=kind, default=setting.default, metavar="X", help=meaning)
    return parser


def _check(parser: argparse.ArgumentParser, settings: Settings, tls: bool) -> None:
    """Refuse, as wrong usage, what could never work or would open this machine to others."""
    for setting in FLAGS:
        value = getattr(settings, setting.name)
        least = 0 if setting.name in ("port", "pad_bytes") or setting.name.endswith("_ms") else 1e-3
        if isinstance(value, str | bool):
            continue
        flag, most = setting.name.replace("_", "-"), setting.metadata["most"]
        if value < setting.metadata["least"]:
            parser.error(f"--{flag} must not be {value}: below {setting.metadata['least']:g} it would protect nothing.")
        if not least <= value < math.inf:
            parser.error(f"--{flag} must not be {value}: give a number {'from' if least == 0 else 'above'} 0.")
        if value > most:
            parser.error(f"--{flag} must not be {value}: beyond {most:g} it would protect nothing any more.")
    if problem := unusable(settings.model, settings.base_url, own=bool(settings.traces)):
        parser.error(problem)
    if bool(settings.certfile) != bool(settings.keyfile):
        parser.error("--certfile and --keyfile belong together: give both, or none for http.")
    if tls and settings.certfile:
        parser.error("--tls makes a certificate, and --certfile names one: give either of them.")
    if settings.port > 65535:
        parser.error(f"--port {settings.port} does not exist: ports go from 0 to 65535.")
    if settings.token and len(settings.token) < SHORTEST_TOKEN:
        parser.error(f"--token is too short: {SHORTEST_TOKEN} characters or more are hard to guess. {NEW_TOKEN}")
    if settings.token and not (settings.token.isascii() and settings.token.isprintable() and " " not in settings.token):
        parser.error("--token must be ASCII without spaces, since it travels in a header.")
    if not settings.token and not _is_loopback(settings.host):
        parser.error(
            f"--host {settings.host} is not loopback: without --token this server is for this machine only. "
            f"Use 127.0.0.1, or give a token that all users must know. {NEW_TOKEN}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_screen() -> bool:
    """Without one, webbrowser would start a text browser in this terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _explained(error: OSError, settings: Settings) -> str:
    if isinstance(error, BadCertificate):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is in use. Choose another with --port N (make run PORT=N), "
            "or --port 0 to take any free one."
        )
    if error.errno == errno.EACCES:
        return f"Port {settings.port} needs more rights than you have. Choose one from 1024 up with --port N."
    return f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}."


if __name__ == "__main__":
    sys.exit(main())
