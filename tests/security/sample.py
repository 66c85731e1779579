"""A security result with every kind of cell, and probes to go with it: how it is shown is tested without attacks."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from lab.result import Row, document
from lab.security.probe import COULD_NOT_RUN, NOT_APPLICABLE, STOPPED, SUCCEEDED, Outcome, Probe
from lab.security.scene import Scene
from server.transports import TRANSPORTS

STREAMS = ("polling", "long_polling", "iframe", "sse", "websocket")
SPARED = "There is one response, so there are no lengths of single tokens."
ADVICE = "Chromium is not here: on Debian, `sudo apt-get install -y chromium`."


async def attack(_scene: Scene) -> Outcome:
    """Nobody runs these."""
    raise NotImplementedError


def probe(name: str, *defences: str, **more: Any) -> Probe:
    """A probe of which nothing matters but its words."""
    words = {"does": f"Tries {name.lower()}, with `curl` if need be.", "why": "Nobody checks."} | more
    return Probe(name, attack=attack, defences=defences, **words)


FAMILIES: dict[str, dict[str, Probe]] = {
    "leaks": {
        "eavesdropping": probe("Eavesdropping", "tls", claims=("C5", "C8", "C11")),
        "tampering": probe("Tampering", "tls"),
        "token-length": probe("Token lengths", "padding", "random-padding", remains="Their number remains.", tls=True),
    },
    "origins": {
        "blind-start": probe("Blind start", "json-only", besides=("origin", "fetch-site"), claims=("C7",)),
        "foreign-read": probe("Reading from another port", "origin", claims=("C13",)),
    },
    "injections": {"forged-event": probe("Forged events", "json-events", claims=("C7",))},
    "floods": {"slow-head": probe("Heads that never end", "head-deadline", claims=("C7",))},
}


def cell(probe: str, defence: str, transport: str, off: str = SUCCEEDED, on: str = STOPPED, **more: Any) -> Row:
    """A row, as the experiment writes it."""
    row: Row = {"probe": probe, "transport": transport, "defence": defence, "off": off, "on": on}
    if off != NOT_APPLICABLE:
        row |= {"off_says": f"Off: {off} on {transport}.", "on_says": f"On: {on} on {transport}."}
        row |= {"off_figures": {}, "on_figures": {}, "evidence": {"off": "seen", "on": None}}
    return row | {"files": []} | more


def spared(probe: str, defence: str, transport: str, why: str = SPARED) -> Row:
    """A row of a transport that has no such surface."""
    return cell(probe, defence, transport, NOT_APPLICABLE, NOT_APPLICABLE, why=why)


def leak(transport: str, defence: str, bits: float, bytes_per_token: float, delay_ms: float = 1.0) -> Row:
    """A row of the attack on token lengths."""
    off = {"leak_bits": 3.0, "exact_rate": 1.0, "bytes_per_token": 60.0, "delay_ms": 1.0}
    on = {"leak_bits": bits, "exact_rate": bits / 3, "bytes_per_token": bytes_per_token, "delay_ms": delay_ms}
    evidence = {"off": {"record_bytes": [71, 75, 69]}, "on": {"record_bytes": [128, 128, 128]}}
    outcome = SUCCEEDED if bits > 1 else STOPPED
    says = {"off_says": "Guessed 106 of 106 lengths.", "on_says": f"Guessed {int(35 * bits)} of 106 lengths."}
    return (
        cell("token-length", defence, transport, on=outcome, off_figures=off, on_figures=on, evidence=evidence) | says
    )


def rows() -> list[Row]:
    """Attacks of every family on every transport: succeeded, stopped, not applicable, and some that could not run."""
    found = [cell(name, "tls", transport) for name in ("eavesdropping", "tampering") for transport in TRANSPORTS]
    found += [leak(transport, "padding", 0.0, 128.0) for transport in STREAMS]
    found += [leak(transport, "random-padding", 1.4, 76.0) for transport in STREAMS]
    found += [spared("token-length", defence, "whole") for defence in ("padding", "random-padding")]
    found += [cell("blind-start", "json-only", transport) for transport in TRANSPORTS]
    found += [
        cell("foreign-read", "origin", transport, COULD_NOT_RUN, COULD_NOT_RUN, why=ADVICE) for transport in STREAMS
    ]
    found += [cell("forged-event", "json-events", "sse")]
    found += [spared("forged-event", "json-events", "polling", "It has no events.")]
    honest: Row = {"off_figures": {"honest_p99_ms": 900.0}, "on_figures": {"honest_p99_ms": 45.0}}
    found += [cell("slow-head", "head-deadline", transport) | honest for transport in TRANSPORTS]
    return found


OBSERVATIONS: list[Row] = [
    {"id": "two-way-sse", "holds": False, "says": "What a client sends over an event stream gets nowhere."},
    {"id": "two-way-websocket", "holds": True, "says": "A client stopped the answer while tokens came."},
    {"id": "same-port", "holds": True, "says": "WebSocket and HTTP were answered on port 8000."},
    {"id": "unmasked", "says": "Unmasked frames are taken.", "library": "aiohttp", "version": "3.14.5"},
    {"id": "u2028", "says": "U+2028 ends no line of a script.", "library": "Chromium", "version": "156.0"},
]


def result(found: list[Row] | None = None, **fields: Any) -> dict[str, Any]:
    """A document of these rows."""
    environment = {"pushlab": "0.1.0", "commit": "abc", "cpu": "A processor", "aiohttp": "3.14.5"}
    made = document("security", "python -m lab security --out out", environment, {"probe": ("token-length",)})
    given = {"complete": True, "rows": rows() if found is None else found, "observations": OBSERVATIONS}
    return made | given | fields


def png() -> bytes:
    """A picture of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\x00\x80")) + chunk(b"IEND", b"")


def everywhere(text: str, value: Any) -> Any:
    """The same value with `text` in place of each of its texts, keys apart."""
    if isinstance(value, str):
        return text
    if isinstance(value, Mapping):
        return {key: everywhere(text, inner) for key, inner in value.items()}
    return [everywhere(text, inner) for inner in value] if isinstance(value, list) else value
