"""Every number of the server, in one frozen dataclass. Each is a flag of `python -m server`, too.

The one thing to notice: what would make the server less safe is here for the lab to compare, but is no flag.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from aiohttp import web


def _setting(default: Any, meaning: str, flag: bool = True) -> Any:
    return field(default=default, metadata={"help": meaning, "flag": flag})


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set. Names end in their unit; counts have none."""

    host: str = _setting("127.0.0.1", "loopback address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one")

    certfile: str = _setting("", "certificate chain (PEM): serve https and wss instead of http and ws")
    keyfile: str = _setting("", "its private key (PEM)")

    # Pace of the typewriter, unless the request says otherwise.
    first_token_ms: float = _setting(400.0, "milliseconds before the first token")
    token_ms: float = _setting(80.0, "milliseconds between tokens")

    # Waiting.
    hold_s: float = _setting(25.0, "how long a long poll is held without news; below the 30 s of many proxies")
    heartbeat_s: float = _setting(15.0, "silence after which a stream sends a chunk without text")
    retry_ms: int = _setting(1000, "how soon an EventSource should come back after a cut")
    write_s: float = _setting(30.0, "how long a reader may take nothing before its connection is given up")
    body_s: float = _setting(10.0, "how long the body of a request may take to arrive")
    keepalive_s: float = _setting(30.0, "how long an idle connection, or half a request head, is kept")
    shutdown_s: float = _setting(5.0, "how long open requests may take to end at shutdown")

    # Sizes.
    max_body_bytes: int = _setting(128 * 1024, "largest request body")
    max_message_bytes: int = _setting(1024, "largest WebSocket message from a reader")
    max_text: int = _setting(20_000, "most characters of a text")
    max_answer: int = _setting(100_000, "most characters of an answer, repeats included")
    max_answer_s: float = _setting(3600.0, "longest time an answer may take to be typed")

    # Counts.
    max_answers: int = _setting(200, "most answers kept at once, being typed or ended")
    max_readers: int = _setting(5000, "most requests for an answer served at once")
    keep_s: float = _setting(600.0, "how long an ended answer can still be read")
    max_recordings: int = _setting(16, "most answers whose traffic is kept to be shown")
    max_recorded_bytes: int = _setting(2 * 1024 * 1024, "how much of the traffic of one answer is kept")

    # For the lab alone.
    deflate: bool = _setting(False, "compress WebSocket messages, as most servers do unasked", flag=False)


SETTINGS = web.AppKey("settings", Settings)

FLAGS = [setting for setting in fields(Settings) if setting.metadata["flag"]]
"""The fields that are flags of the command line."""
