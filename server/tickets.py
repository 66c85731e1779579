"""Tickets: what a client that can send no header puts into the address instead of its token or cookie.

The one thing to notice: an address ends up in logs and histories. A ticket that is found there is worth nothing, since
it was used by the very request that wrote it there.
"""

import secrets
import time
from typing import NamedTuple

from aiohttp import web

MOST = 10_000
"""Tickets that are kept; the oldest goes first."""


class Ticket(NamedTuple):
    """What it opens, and until when."""

    answer: str
    transport: str
    ends: float


class Tickets:
    """The tickets that have not been used yet."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._tickets: dict[str, Ticket] = {}

    def issue(self, answer: str, transport: str) -> str:
        """A new ticket for reading one answer over one transport, once."""
        while len(self._tickets) >= MOST:
            del self._tickets[next(iter(self._tickets))]
        word = secrets.token_urlsafe(16)
        self._tickets[word] = Ticket(answer, transport, time.monotonic() + self._lifetime_s)
        return word

    def take(self, word: str, answer: str, transport: str) -> bool:
        """Whether the ticket opens this; it opens nothing from now on, whatever it was asked for."""
        ticket = self._tickets.pop(word, None)
        return ticket is not None and ticket[:2] == (answer, transport) and time.monotonic() < ticket.ends


TICKETS = web.AppKey("tickets", Tickets)
