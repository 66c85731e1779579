"""Every number of the server, in one frozen dataclass. Each is a flag of `python -m server`, too.

The one thing to notice: what would make the server less safe is here for the lab to compare, but is no flag; and what
keeps it safe has a most that a flag cannot go beyond.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from aiohttp import web


def _setting(default: Any, meaning: str, most: float = math.inf, least: float = 0, flag: bool = True) -> Any:
    return field(default=default, metadata={"help": meaning, "most": most, "least": least, "flag": flag})


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set. Names end in their unit; counts have none."""

    host: str = _setting("127.0.0.1", "loopback address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one")

    # Who may use it, and who may read along.
    certfile: str = _setting("", "certificate chain (PEM): serve https and wss with it")
    keyfile: str = _setting("", "its private key (PEM)")
    token: str = _setting("", "access token that users must know, needed beyond loopback; better as PUSHLAB_TOKEN")
    ticket_s: float = _setting(30.0, "how long a ticket can be used", most=30)
    pad_bytes: int = _setting(
        0, "fill frames up to a multiple of this, so that TLS tells no lengths; 0: do not", most=8192
    )
    access_log: bool = _setting(False, "write a line for each request to standard error, ids and tickets left out")

    # What writes the answers.
    model: str = _setting(
        "", "what answers prompts: smollm2, a scripted answer such as typewriter, or a model of an API"
    )
    base_url: str = _setting("", "that API, if it is not OpenAI's own; its key comes from OPENAI_API_KEY")
    model_s: float = _setting(60.0, "how long the model may say nothing", most=600)
    traces: str = _setting("", "folder with recorded answers of your own, by `python -m lab record`")

    # Pace of the typewriter, unless the request says otherwise.
    first_token_ms: float = _setting(400.0, "milliseconds before the first token")
    token_ms: float = _setting(80.0, "milliseconds between tokens")

    # Waiting.
    hold_s: float = _setting(25.0, "how long a long poll is held without news; below the 30 s of many proxies")
    heartbeat_s: float = _setting(15.0, "silence after which a stream sends a chunk without text", most=120)
    retry_ms: int = _setting(
        1000, "how soon an EventSource should come back after a cut; at most twice that", least=100
    )
    write_s: float = _setting(30.0, "how long a reader may take nothing before its connection is given up", most=120)
    body_s: float = _setting(10.0, "how long the body of a request may take to arrive", most=120)
    keepalive_s: float = _setting(30.0, "how long an idle connection, or half a request head, is kept", most=120)
    vanished_s: float = _setting(30.0, "how long a peer may acknowledge nothing before it is given up", most=120)
    shutdown_s: float = _setting(5.0, "how long open requests may take to end at shutdown", most=120)

    # Sizes.
    max_body_bytes: int = _setting(128 * 1024, "largest request body", most=1024 * 1024)
    max_message_bytes: int = _setting(1024, "largest WebSocket message from a reader", most=64 * 1024)
    upstream_bytes_per_s: int = _setting(
        4096, "what a WebSocket's reader may send; 16 s' worth at once", most=64 * 1024
    )
    max_text: int = _setting(20_000, "most characters of a text")
    max_answer: int = _setting(100_000, "most characters of an answer, repeats included")
    max_answer_s: float = _setting(3600.0, "longest time an answer may take to be typed")

    # Counts.
    max_answers: int = _setting(200, "most answers kept at once, being typed or ended")
    max_readers: int = _setting(5000, "most requests for an answer served at once")
    max_address_connections: int = _setting(500, "most connections from one address at once", most=10_000)
    address_requests_per_s: int = _setting(3000, "requests from one address; 2 s' worth at once", most=10_000)
    keep_s: float = _setting(600.0, "how long an ended answer can still be read")
    max_recordings: int = _setting(16, "most answers whose traffic is kept to be shown")
    max_recorded_bytes: int = _setting(2 * 1024 * 1024, "how much of the traffic of one answer is kept")

    # For the lab alone.
    deflate: bool = _setting(False, "compress WebSocket messages, as most servers do unasked", flag=False)


SETTINGS = web.AppKey("settings", Settings)

FLAGS = [setting for setting in fields(Settings) if setting.metadata["flag"]]
"""The fields that are flags of the command line."""
