"""Who the peers are: for each what it is, what it delivers, and how it is started.

The one thing to notice: a peer is a process. It prints its URL once it listens, and ends at SIGTERM or when its
standard input does. Nothing else of it is known here, so none can be measured in a way of its own.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil

from lab.peers.servers.answer import HOLD_S
from server.settings import Settings

NODE = Path(__file__).parent / "servers" / "node"
SBIN = "/usr/sbin:/usr/local/sbin"
"""Where Debian keeps what is not for everybody's PATH."""
NCHAN = tuple(Path(lib, "nginx/modules/ngx_nchan_module.so") for lib in ("/usr/lib", "/usr/lib64", "/usr/local/lib"))
SPARE = 10
"""Answers, readers and connections beside those that are counted."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that types answers."""

    name: str
    about: str
    """What it is and how it was written: a sentence."""
    transports: tuple[str, ...]
    """Those that it has."""
    command: Callable[[int], list[str]]
    """What to start in the project's folder, for so many readers; asked only when nothing is missing."""
    missing: Callable[[], str | None]
    """What this machine lacks to run it, and how to get that: a sentence. None when there is all."""
    version: Callable[[], str]
    """Of what it stands on; asked only when nothing is missing."""
    measured: Callable[[int], int] = lambda pid: pid
    """From the process that was started to the one that delivers, which is to be measured."""


def _pushlab(readers: int) -> list[str]:
    room = readers + SPARE
    settings = Settings(
        port=0,
        max_answers=room,
        max_readers=room,
        hold_s=HOLD_S,
        heartbeat_s=HOLD_S,
        keepalive_s=HOLD_S,
        max_address_connections=4 * room,  # all readers share one address
        address_requests_per_s=10**6,
    )
    return [sys.executable, "-m", "lab.served", json.dumps(asdict(settings))]


def _python(module: str) -> Callable[[int], list[str]]:
    return lambda _readers: [sys.executable, "-m", f"lab.peers.servers.{module}"]


def _node(script: str) -> Callable[[int], list[str]]:
    return lambda _readers: ["node", str(NODE / script)]


def _nchan(readers: int) -> list[str]:
    program = [sys.executable, "-m", "lab.peers.servers.nchan"]
    return [*program, str(_nginx()), str(_nchan_module()), str(2 * readers + SPARE)]


def _nothing() -> None:
    return None


def _lacks_packages(*packages: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [package for package in packages if not find_spec(package)]
        get = 'type: python -m pip install --editable ".[peers]"'
        return f"There is no {' and no '.join(absent)} here: {get}" if absent else None

    return missing


def _lacks_node(*packages: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        if not shutil.which("node"):
            return "There is no Node.js here: install version 18 or newer."
        absent = [package for package in packages if not _manifest(package).is_file()]
        get = "type: npm ci --prefix lab/peers/servers/node"
        return f"There is no {' and no '.join(absent)} here: {get}" if absent else None

    return missing


def _lacks_nchan() -> str | None:
    parts = {"nginx": _nginx(), "nchan": _nchan_module(), "setpriv": shutil.which("setpriv")}
    absent = [name for name, found in parts.items() if not found]
    get = "on Debian, type: sudo apt-get install nginx libnginx-mod-nchan"
    return f"There is no {' and no '.join(absent)} here: {get}" if absent else None


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path=SBIN)


def _nchan_module() -> Path | None:
    return next((path for path in NCHAN if path.is_file()), None)


def _manifest(package: str) -> Path:
    return NODE / "node_modules" / package / "package.json"


def _packages_version(*packages: str) -> Callable[[], str]:
    return lambda: ", ".join(f"{package} {metadata.version(package)}" for package in packages)


def _node_version(*packages: str) -> Callable[[], str]:
    def version() -> str:
        versions = [json.loads(_manifest(package).read_text(encoding="utf-8"))["version"] for package in packages]
        named = [f"{package} {number}" for package, number in zip(packages, versions, strict=True)]
        return ", ".join([f"Node {_said('node', '--version').lstrip('v')}", *named])

    return version


def _nchan_version() -> str:
    nginx = _said(str(_nginx()), "-v").rpartition("/")[2]
    package = _said("dpkg-query", "--show", "--showformat=${Version}", "libnginx-mod-nchan")
    return f"nginx {nginx}, nchan {package.rpartition(':')[2] or 'of unknown version'}"


def _said(*command: str) -> str:
    """What a program prints, on whichever output; nothing, when there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout or done.stderr).strip()


def _last_child(pid: int) -> int:
    return psutil.Process(pid).children(recursive=True)[-1].pid


PEERS: dict[str, Peer] = {
    "pushlab": Peer(
        "pushlab",
        "This server as it is, with room for all readers and without heartbeats during a run.",
        ("sse", "iframe", "websocket", "polling", "long_polling"),
        _pushlab,
        _nothing,
        _packages_version("aiohttp"),
    ),
    "asyncio": Peer(
        "bare asyncio, one timer",
        "The floor in Python: HTTP by hand on asyncio.Protocol, one timer for all, and one write for each token.",
        ("sse", "iframe", "polling", "long_polling"),
        _python("asyncio"),
        _nothing,
        lambda: f"Python {platform.python_version()}",
    ),
    "aiohttp": Peer(
        "aiohttp, a sleep per reader",
        "What everyone writes: a handler for each reader, which sleeps until its next token is due and writes it.",
        ("sse", "websocket", "polling", "long_polling"),
        _python("aiohttp"),
        _nothing,
        _packages_version("aiohttp"),
    ),
    "starlette": Peer(
        "Starlette on uvicorn",
        "EventSourceResponse of sse-starlette over a generator that sleeps, and JSON replies of Starlette, on uvicorn "
        "with uvloop and httptools.",
        ("sse", "polling", "long_polling"),
        _python("starlette"),
        _lacks_packages("uvicorn", "uvloop", "httptools", "starlette", "sse_starlette"),
        _packages_version("uvicorn", "uvloop", "httptools", "starlette", "sse-starlette"),
    ),
    "node": Peer(
        "Node, a timer per reader",
        "Node's own HTTP server; each reader has a timeout, set anew for when its next token is due.",
        ("sse", "polling", "long_polling"),
        _node("node.js"),
        _lacks_node(),
        _node_version(),
    ),
    "express": Peer(
        "Express",
        "Express on Node, without ETags; the timers are those of the peer on Node alone.",
        ("sse", "polling", "long_polling"),
        _node("express.js"),
        _lacks_node("express"),
        _node_version("express"),
    ),
    "ws": Peer(
        "ws on Node",
        "The ws package without compression; the timers are those of the peer on Node alone.",
        ("websocket",),
        _node("ws.js"),
        _lacks_node("ws"),
        _node_version("ws"),
    ),
    "websockets": Peer(
        "websockets, a sleep per reader",
        "The websockets library without compression; a handler for each reader, which sleeps until its next token is "
        "due and sends it.",
        ("websocket",),
        _python("websockets"),
        _nothing,
        _packages_version("websockets"),
    ),
    "nchan": Peer(
        "nginx with nchan",
        "One nginx worker, measured while a publisher of ours posts each token to it when it is due, which is part of "
        "its cost; its events carry ids of nginx's own.",
        ("sse", "websocket"),
        _nchan,
        _lacks_nchan,
        _nchan_version,
        _last_child,
    ),
}
"""By id; the first is what all others are compared with."""
