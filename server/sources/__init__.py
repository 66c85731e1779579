"""Who writes tokens into an answer.

The one thing to notice: a scripted source is only a schedule, tokens and the milliseconds after the start at which they
are due. Making one is pure (typewriter.py, replay.py); keeping to it happens here, once.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from itertools import repeat as again

from server.answer import Answer
from server.clock import Course, clock

Source = Callable[[Answer], Awaitable[None]]
"""Writes all tokens of an answer and returns; is cancelled when somebody stops the answer."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Tokens in their order, and when each is due. To be gone through once, as pairs (milliseconds, token)."""

    once: Sequence[str]
    dues_ms: Iterable[float]
    """After the start; at least one for each token, in order of time."""
    repeat: int = 1

    @property
    def size(self) -> int:
        """How many tokens there are, all repeats counted."""
        return len(self.once) * self.repeat

    @property
    def tokens(self) -> Iterable[str]:
        """All of them."""
        return chain.from_iterable(again(self.once, self.repeat)) if self.repeat > 1 else self.once

    def __iter__(self) -> Iterator[tuple[float, str]]:
        return zip(self.dues_ms, self.tokens, strict=False)


def scripted(schedule: Schedule) -> Source:
    """A source that types `schedule`.

    Every token has its own due time counted from the start. Sleeping "80 ms" a hundred times would add up the
    lateness of a hundred wake-ups; waiting *until* a due time cannot drift.
    """

    async def source(answer: Answer) -> None:
        await clock().follow(_typing(answer, schedule))

    return source


def _typing(answer: Answer, schedule: Schedule) -> Course:
    """Goes on whenever a token is due. The end comes with the last one, so that both are one chunk."""
    dues_ms, left = iter(schedule.dues_ms), schedule.size
    for token in schedule.tokens:
        due = answer.started + next(dues_ms) / 1000
        yield due
        left -= 1
        answer.append(token, due, more=not left)
    answer.end("finished")
