"""When what happens in a run, and who reads which answer. Pure.

The one thing to notice: first tokens are spread over a whole token interval, by chance. Answers that all begin in one
instant would also be due in one instant ever after, which no crowd of real askers does.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from lab.session import Variant
from server.sources.presets import ENGLISH

POST_S, CONNECT_S, SETTLE_S, IDLE_S = 0.002, 0.002, 2.0, 2.0
"""What starting an answer, connecting a reader and letting the memory settle may take, and what is left for idling.
What is not used up is added to the idling, which the first token ends."""
STAGES = 4
"""Steps in which readers connect; after each the memory is looked at."""
PATIENCE_S = 30.0
"""How long after the last token of all was due readers are waited for."""
ENOUGH_TOKENS = 20_000
"""For CPU per token; with fewer, the CPU of a run is no larger than its noise."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one run is to be."""

    variant: Variant
    readers: int
    run: int
    tokens: int
    """Of each answer."""
    token_ms: float
    processes: int
    seed: int
    objective_ms: float

    @property
    def text(self) -> str:
        """Of each answer: words of English. A word with the space before it is one token."""
        return " ".join(islice(cycle(ENGLISH.split()), self.tokens))

    @property
    def lead_s(self) -> float:
        """How long before the first token the first answer is started."""
        return self.readers * (POST_S + CONNECT_S) + SETTLE_S + IDLE_S

    @property
    def expected_s(self) -> float:
        """About how long the run takes."""
        return 1.5 + self.lead_s + self.tokens * self.token_ms / 1000 + self.readers * 0.004

    @property
    def stages(self) -> list[int]:
        """A quarter of the readers, a half, three quarters, all."""
        return sorted({-(-self.readers * stage // STAGES) for stage in range(1, STAGES + 1)})


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what is to happen (monotonic seconds)."""

    read_at: float
    """Readers go on from where they waited, each at its phase, so that all have when the first token is due."""
    first_due: float
    last_due: float
    phases_s: Sequence[float]
    """For each reader how long after the first of all its first token is due."""

    @property
    def look_at(self) -> float:
        """Three quarters of the typing are over."""
        return self.read_at + 0.75 * (self.last_due - self.read_at)


def schedule(crowd: Crowd, now: float) -> Schedule:
    """The schedule of a run that begins now."""
    spread_s = max(crowd.token_ms, crowd.variant.poll_ms or 0) / 1000
    dice = random.Random(f"{crowd.seed} {crowd.run}")  # noqa: S311 - the same for every transport
    first_due = now + crowd.lead_s
    return Schedule(
        read_at=first_due - spread_s,
        first_due=first_due,
        last_due=first_due + spread_s + crowd.tokens * crowd.token_ms / 1000,
        phases_s=[dice.uniform(0, spread_s) for _ in range(crowd.readers)],
    )


def orders(crowd: Crowd, server: str, answers: Sequence[str], when: Schedule) -> list[dict[str, Any]]:
    """To each load process the order to read its share of the answers."""
    return [
        {
            "server": server,
            "answers": answers[at :: crowd.processes],
            "phases_s": when.phases_s[at :: crowd.processes],
            "tokens": crowd.tokens,
            "transport": crowd.variant.transport,
            "poll_ms": crowd.variant.poll_ms,
        }
        for at in range(crowd.processes)
    ]


def connect_orders(crowd: Crowd, readers: int) -> list[dict[str, Any]]:
    """To each load process the order to connect its share of so many readers."""
    return [{"connect": len(range(at, readers, crowd.processes))} for at in range(crowd.processes)]
