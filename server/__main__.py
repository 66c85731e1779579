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

from server.app import BadCertificate, serving
from server.settings import FLAGS, Settings


def main() -> int:
    """Parse, serve, and say in one sentence what went wrong."""
    parser = _parser()
    arguments = vars(parser.parse_args())
    open_browser = arguments.pop("open")
    if arguments["host"] == "localhost":
        arguments["host"] = "127.0.0.1"  # the name can mean two addresses, and a free port would differ between them
    settings = Settings(**arguments)
    _check(parser, settings)
    try:
        asyncio.run(serve(settings, open_browser))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(_explained(error, settings), file=sys.stderr)
        return 1
    return 0


async def serve(settings: Settings, open_browser: bool) -> None:
    """Serve until SIGTERM. The URL is the first line of standard output."""
    stopped = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serving(settings) as url:
        print(url, flush=True)
        print("Open it in a browser, or type: curl -N " + url + "/sse    (Ctrl-C ends)", file=sys.stderr, flush=True)
        if open_browser and _has_screen():
            webbrowser.open(url)
        await stopped.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Type one answer over five push transports, on this machine only.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser, where there is a screen")
    for setting in FLAGS:
        flag = "--" + setting.name.replace("_", "-")
        kind = type(setting.default)
        parser.add_argument(flag, type=kind, default=setting.default, metavar="X", help=setting.metadata["help"])
    return parser


def _check(parser: argparse.ArgumentParser, settings: Settings) -> None:
    """Refuse, as wrong usage, what could never work or would open this machine to others."""
    for setting in FLAGS:
        value = getattr(settings, setting.name)
        least = 0 if setting.name == "port" or setting.name.endswith("_ms") else 1e-3
        if not isinstance(value, str) and not least <= value < math.inf:
            flag = setting.name.replace("_", "-")
            parser.error(f"--{flag} must not be {value}: give a number {'from' if least == 0 else 'above'} 0.")
    if bool(settings.certfile) != bool(settings.keyfile):
        parser.error("--certfile and --keyfile belong together: give both, or none for http.")
    if settings.port > 65535:
        parser.error(f"--port {settings.port} does not exist: ports go from 0 to 65535.")
    if not _is_loopback(settings.host):
        parser.error(f"--host {settings.host} is not loopback: this server is for this machine only. Use 127.0.0.1.")


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
