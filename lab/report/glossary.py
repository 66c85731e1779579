"""The figures that are shown: the name, unit and meaning of each, and how far it can be trusted.

The one thing to notice: a figure that was not measured is None, never 0.
"""

from collections.abc import Callable
from typing import NamedTuple

from lab.result import Row, values


class Figure(NamedTuple):
    """One figure of a row, and what a reader has to know about it."""

    name: str
    unit: str
    of: Callable[[Row], float | None]
    means: str
    trust: str


def _at(path: str) -> Callable[[Row], float | None]:
    """The figure at `path`, like `lag_ms.p95`."""
    return lambda row: next(iter(values([row], path)), None)


def _per_token(*parts: str) -> Callable[[Row], float | None]:
    """The sum of `parts` for each token."""

    def share(row: Row) -> float | None:
        found = [row.get(part) for part in parts]
        if None in found or not row.get("tokens"):
            return None
        return float(sum(part for part in found if part is not None) / row["tokens"])

    return share


def _each(part: str) -> Callable[[Row], float | None]:
    """A part for each reader."""
    return lambda row: None if row.get(part) is None else row[part] / (row.get("readers") or 1)


def _kib(path: str) -> Callable[[Row], float | None]:
    size = _at(path)
    return lambda row: None if (found := size(row)) is None else found / 1024


EXACT = "the kernel's own count (TCP_INFO), exact; where `source` is asyncio, the bytes given to the socket"
CLOCK = "one monotonic clock for both ends; about 1 ms of it is timers of the event loop"

FIGURES = {
    "requests": Figure("requests", "", _each("requests"), "requests of one reading", "counted by the server, exact"),
    "connections": Figure(
        "connections", "", _each("connections"), "connections they used", "counted by the server, exact"
    ),
    "empty_polls": Figure(
        "empty polls", "", _each("empty_polls"), "replies without news", "counted by the client, exact"
    ),
    "bytes_up": Figure("bytes up", "B", _each("bytes_up"), "TCP payload from client to server", EXACT),
    "bytes_down": Figure("bytes down", "B", _each("bytes_down"), "TCP payload from server to client", EXACT),
    "bytes_per_token": Figure(
        "bytes per token", "B", _per_token("bytes_up", "bytes_down"), "bytes up and down / tokens", EXACT
    ),
    "text_per_token": Figure("text per token", "B", _per_token("text_bytes"), "its UTF-8 bytes", "exact"),
    "envelope_per_token": Figure(
        "envelope per token", "B", _per_token("envelope_bytes"), "the JSON around the text", "exact, before any deflate"
    ),
    "framing_per_token": Figure(
        "framing per token",
        "B",
        _per_token("framing_bytes"),
        "all else: heads, SSE lines, script elements, chunk sizes, frame headers",
        "what is left of the exact bytes; below 0 where deflate made them fewer than text and envelope",
    ),
    "overhead_factor": Figure(
        "overhead factor", "×", _at("overhead_factor"), "bytes up and down / UTF-8 bytes of the text", EXACT
    ),
    "wire_per_token": Figure(
        "wire bytes per token",
        "B",
        _per_token("wire_bytes"),
        "bytes up and down + 52 × segments, per token",
        "an estimate: IPv4 with timestamps, acknowledgements included, no link layer",
    ),
    "retransmits": Figure("retransmits", "", _each("retransmits"), "segments that were sent again", "TCP_INFO, exact"),
    "ttft_p50": Figure("TTFT", "ms", _at("ttft_ms.p50"), "first token here, since the intended start", CLOCK),
    "tpot_p50": Figure("TPOT", "ms", _at("tpot_ms.p50"), "(last token − first token) / (tokens − 1)", CLOCK),
    "e2e_p50": Figure("E2E", "ms", _at("e2e_ms.p50"), "last token here, since the intended start", CLOCK),
    "itl_p50": Figure(
        "ITL p50",
        "ms",
        _at("itl_ms.p50"),
        "gap between tokens, zeros kept",
        "0 means bursts: read it with max gap and burst",
    ),
    "itl_p95": Figure("ITL p95", "ms", _at("itl_ms.p95"), "gap that 95 % of the tokens keep", CLOCK),
    "gap_max": Figure(
        "max gap", "ms", _at("itl_ms.max"), "longest silence between two tokens", "one event: look at its interval"
    ),
    "lag_p50": Figure(
        "lag p50", "ms", _at("lag_ms.p50"), "token here − token written: the transport's own share", CLOCK
    ),
    "lag_p95": Figure("lag p95", "ms", _at("lag_ms.p95"), "lag that 95 % of the tokens keep", CLOCK),
    "lag_p99": Figure("lag p99", "ms", _at("lag_ms.p99"), "lag that 99 % of the tokens keep", "few tokens decide it"),
    "corrected_p95": Figure(
        "corrected lag p95",
        "ms",
        _at("corrected_lag_ms.p95"),
        "token here − token due, p95: a server that writes late cannot look fast",
        "free of coordinated omission",
    ),
    "jitter_p99": Figure(
        "source jitter p99",
        "ms",
        _at("jitter_ms.p99"),
        "token written − token due, p99",
        "not the transport's: the source's",
    ),
    "burst_mean": Figure("burst", "tokens", _at("burst.mean"), "tokens per read, mean", "counted by the client, exact"),
    "burst_max": Figure(
        "max burst", "tokens", _at("burst.max"), "tokens of the largest read", "counted by the client, exact"
    ),
    "fluidity": Figure(
        "fluidity", "", _at("fluidity"), "1 − missed / tokens; deadline 2 × token interval, slack kept", CLOCK
    ),
    "cpu": Figure(
        "CPU per token",
        "µs",
        _at("cpu_us_per_token"),
        "(server's CPU − its CPU when idle with the same connections) / tokens",
        "only with the number of readers beside it",
    ),
    "server_cpu": Figure(
        "server CPU", "cores", _at("server_cpu"), "cores that the server used while typing", "schedstat"
    ),
    "memory_idle": Figure(
        "memory per idle connection",
        "KiB",
        _kib("memory_bytes_per_connection.idle"),
        "slope of the server's PSS over the number of connections, before the first token",
        "user space only: the kernel's share, some KiB more, is not in it",
    ),
    "memory_active": Figure(
        "memory per active connection",
        "KiB",
        _kib("memory_bytes_per_connection.active"),
        "the same while tokens are being delivered",
        "user space only, as above",
    ),
}
"""In the order of the report. docs/figures.md has the formulas."""
