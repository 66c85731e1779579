"""How the defences of this family are taken away, and how those that are only compared are put in.

The one thing to notice: only lab/security/weakened.py runs any of this, in a process of its own.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from server import order, push
from server.answer import Answer
from server.padding import padded
from server.settings import Settings
from server.sources import Schedule, Source

RANDOM_BYTES = 32
"""Random padding adds fewer than this."""
BATCH = 8
"""Tokens in one frame."""
PACE_MS = 20
"""Between two tokens at a steady pace: slower than they come, so that there is always one to send."""


def without_tls(settings: Settings) -> Settings:
    """The naive way: http, since it is only the local network."""
    return replace(settings, certfile="", keyfile="")


def without_padding(settings: Settings) -> Settings:
    """The naive way, and the usual one: TLS encrypts, so what else could there be to do?"""
    return replace(settings, pad_bytes=0)


def without_no_compression(settings: Settings) -> Settings:
    """The naive way: compression saves bytes, and many libraries do it unasked, also of secrets beside guesses."""
    return replace(settings, deflate=True)


def as_it_is(settings: Settings) -> Settings:
    """The server does not have this defence, so there is nothing to take away."""
    return settings


WITHOUT: dict[str, Callable[[Settings], Settings]] = {
    "tls": without_tls,
    "padding": without_padding,
    "random-padding": as_it_is,
    "batching": as_it_is,
    "steady-pace": as_it_is,
    "no-compression": without_no_compression,
}


def with_random_padding(settings: Settings) -> Settings:
    """Fill each frame with a random number of spaces, as some services do."""

    def shape(frame: bytes, settings: Settings) -> bytes:
        return padded(frame, len(frame) + secrets.randbelow(RANDOM_BYTES))

    push.shape = shape
    return settings


def with_batching(settings: Settings) -> Settings:
    """Hold tokens back until there are several."""
    _release(in_batches)
    return settings


def with_steady_pace(settings: Settings) -> Settings:
    """Let one token go at each tick of a clock that does not care when it came."""
    _release(at_ticks)
    return settings


Tokens = Iterable[tuple[float, str]]
"""(milliseconds after the start, token), as a schedule gives them."""
Release = tuple[float, list[tuple[float, str]]]
"""When tokens are let go, in milliseconds after the start, and which: with the times at which their source has them."""


def in_batches(schedule: Tokens) -> list[Release]:
    """BATCH tokens at a time, as soon as the last of them is there. Pure."""
    tokens = list(schedule)
    batches = [tokens[at : at + BATCH] for at in range(0, len(tokens), BATCH)]
    return [(batch[-1][0], batch) for batch in batches]


def at_ticks(schedule: Tokens) -> list[Release]:
    """One token every PACE_MS, from the first one on; a tick at which there is none is left out. Pure."""
    releases: list[Release] = []
    for ms, token in schedule:
        tick = releases[-1][0] + PACE_MS if releases else ms
        late = max(0.0, ms - tick)
        releases.append((tick + math.ceil(late / PACE_MS) * PACE_MS, [(ms, token)]))
    return releases


def _release(rule: Callable[[Tokens], list[Release]]) -> None:
    """Have every scripted source let its tokens go by a rule, and not at once."""

    def scripted(schedule: Schedule) -> Source:
        async def source(answer: Answer) -> None:
            releases = rule(schedule)
            for ms, tokens in releases:
                await asyncio.sleep(max(0.0, answer.started + ms / 1000 - time.monotonic()))
                for due_ms, token in tokens[:-1]:
                    answer.append(token, answer.started + due_ms / 1000, more=True)
                due_ms, token = tokens[-1]
                answer.append(token, answer.started + due_ms / 1000, more=tokens is releases[-1][1])  # with the end

        return source

    order.scripted = scripted  # type: ignore[attr-defined] # where it is used from


WITH: dict[str, Callable[[Settings], Settings]] = {
    "random-padding": with_random_padding,
    "batching": with_batching,
    "steady-pace": with_steady_pace,
}
"""Defences that the server does not have, to be compared with those that it has. Each stands alone, without padding."""
