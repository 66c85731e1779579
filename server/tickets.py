"""Tickets: what a client that can send no header puts into the address instead of its token or cookie.

The one thing to notice: an address ends up in logs and histories. A ticket that is found there is worth nothing, since
it was used by the very request that wrote it there.
"""

import secrets
import time
from typing import NamedTuple

from aiohttp import web

from server.refusal import Refusal

MOST = 100
"""Tickets of one answer at a time."""


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
        """A new ticket for reading one answer over one transport, once. Raises Refusal 429 when there are too many."""
        self._drop_old()
        if sum(ticket.answer == answer for ticket in self._tickets.values()) >= MOST:
            raise Refusal(429, f"This answer has {MOST} unused tickets. Use them, or wait.", {"Retry-After": "30"})
        word = secrets.token_urlsafe(16)
        self._tickets[word] = Ticket(answer, transport, time.monotonic() + self._lifetime_s)
        return word

    def take(self, word: str, answer: str, transport: str) -> bool:
        """Whether the ticket opens this; it opens nothing from now on, whatever it was asked for."""
        ticket = self._tickets.pop(word, None)
        return ticket is not None and ticket[:2] == (answer, transport) and time.monotonic() < ticket.ends

    def _drop_old(self) -> None:
        """Forget those whose time is over: the oldest stand first."""
        now = time.monotonic()
        while self._tickets and next(iter(self._tickets.values())).ends <= now:
            del self._tickets[next(iter(self._tickets))]


TICKETS = web.AppKey("tickets", Tickets)
