"""What one run of one peer is to be, and when what happens in it. Pure.

The one thing to notice: all peers are given the same crowd, to the instant. When its first tokens are due is drawn by
chance, and that chance knows the crowd and the run, but not the peer.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from server.sources.presets import ENGLISH

READERS, TOKEN_MS = (1, 10_000), (1.0, 5000.0)
"""From the least to the most that a crowd may have."""
REQUESTS_PER_S = 2000
"""That all pollers together make, at most: no server here bears 20 000, and one that is saturated compares nothing."""
START_S = 0.003
"""What starting an answer and connecting its reader may take together. What is not used up is added to the idling."""
SETTLE_S, IDLE_S = 2.0, 2.5
"""For letting the memory settle, and for idling."""
STAGES = 4
"""Steps in which readers connect; after each the memory is looked at."""
PATIENCE_S = 15.0
"""How long after the last token of all was due readers are waited for."""
LEAST_TOKENS, ENOUGH_TOKENS, ENOUGH_REQUESTS = 20, 20_000, 5_000
"""Of one answer; and of all answers together, or of all polls, so that their CPU is more than noise."""
LONGER = 2
"""By how much a run is made longer than it was asked to be, at most, to have enough tokens."""


def crowd_of(text: str) -> tuple[int, float]:
    """The readers and the milliseconds between tokens in `1000x50`. Raises ValueError, in a sentence."""
    found = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,5}(?:\.[0-9]+)?)", text)
    if not found:
        raise ValueError(f"A crowd is its readers, an x, and the milliseconds between tokens: 1000x50, not {text!r}.")
    readers, token_ms = int(found[1]), float(found[2])
    for words, number, (least, most) in (("readers", readers, READERS), ("milliseconds", token_ms, TOKEN_MS)):
        if not least <= number <= most:
            raise ValueError(f"The {words} of a crowd must be from {least:g} to {most:g}, not {number:g} as in {text}.")
    return readers, token_ms


@dataclass(frozen=True, slots=True)
class Run:
    """What one run is to be."""

    peer: str
    transport: str
    crowd: str
    """As it was asked for: 1000x50."""
    readers: int
    token_ms: float
    poll_ms: float | None
    tokens: int
    """Of each answer."""
    run: int
    seed: int

    @property
    def polls(self) -> bool:
        """Whether each token takes a request."""
        return self.transport in ("polling", "long_polling")

    @property
    def text(self) -> str:
        """Of each answer: words of English. A word with the space before it is one token."""
        return " ".join(islice(cycle(ENGLISH.split()), self.tokens))

    @property
    def spread_s(self) -> float:
        """Over which first tokens are spread, and first polls: one interval of whatever is repeated."""
        return (self.poll_ms or self.token_ms) / 1000

    @property
    def typing_s(self) -> float:
        """From the first token of all to the last."""
        return (self.tokens - 1) * self.token_ms / 1000 + self.spread_s

    @property
    def lead_s(self) -> float:
        """How long before the first token the first answer is started."""
        return self.readers * START_S + SETTLE_S + IDLE_S + self.spread_s

    @property
    def expected_s(self) -> float:
        """About how long the run takes."""
        return 2.0 + self.lead_s + self.typing_s + self.readers * self.tokens * 20e-6

    @property
    def stages(self) -> list[int]:
        """A quarter of the readers, a half, three quarters, all."""
        return sorted({-(-self.readers * stage // STAGES) for stage in range(1, STAGES + 1)})


def a_run(peer: str, transport: str, crowd: str, run: int, seconds: float, poll_ms: float, seed: int) -> Run:
    """The run of one peer with one crowd. Pollers are slowed down to what a server bears."""
    readers, token_ms = crowd_of(crowd)
    least_ms = readers / REQUESTS_PER_S * 1000
    if transport == "long_polling":
        token_ms = max(token_ms, least_ms)
    most = LONGER * seconds * 1000 / token_ms
    tokens = max(seconds * 1000 / token_ms, min(ENOUGH_TOKENS / readers, most), LEAST_TOKENS)
    return Run(
        peer=peer,
        transport=transport,
        crowd=crowd,
        readers=readers,
        token_ms=token_ms,
        poll_ms=max(poll_ms, least_ms) if transport == "polling" else None,
        tokens=round(tokens),
        run=run,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what is to happen (monotonic seconds)."""

    read_at: float
    """The idling ends; pollers begin to ask, each at its phase."""
    first_due: float
    last_due: float
    phases_s: Sequence[float]
    """For each reader how long after the first of all its first token is due."""
    asks_s: Sequence[float]
    """For each poller how long after `read_at` it asks first. Drawn anew: polls have nothing to do with tokens."""


def schedule(run: Run, now: float) -> Schedule:
    """The schedule of a run that begins now."""
    dice = random.Random(f"{run.seed} {run.run} {run.crowd} {run.transport}")  # noqa: S311 - the same for every peer
    first_due = now + run.lead_s
    return Schedule(
        read_at=first_due - run.spread_s,
        first_due=first_due,
        last_due=first_due + run.typing_s,
        phases_s=[dice.uniform(0, run.spread_s) for _ in range(run.readers)],
        asks_s=[dice.uniform(0, run.spread_s) for _ in range(run.readers)],
    )


def order(run: Run, server: str, when: Schedule) -> dict[str, Any]:
    """What the load process is told to begin with."""
    return {
        "server": server,
        "transport": run.transport,
        "text": run.text,
        "token_ms": run.token_ms,
        "poll_ms": run.poll_ms,
        "first_due": when.first_due,
        "read_at": when.read_at,
        "last_due": when.last_due,
        "phases_s": when.phases_s,
        "asks_s": when.asks_s,
    }
