"""Who writes tokens into an answer.

The one thing to notice: a scripted source is only a schedule, tokens and the milliseconds after the start at which they
are due. Making one is pure (typewriter.py, replay.py); keeping to it happens here, once.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from itertools import repeat as again
from typing import Any, Protocol

from server.answer import Answer
from server.clock import Course, clock

Source = Callable[[Answer], Awaitable[None]]
"""Writes all tokens of an answer and returns; is cancelled when somebody stops the answer. May raise Trouble."""


Message = Mapping[str, str]
"""One turn of a conversation: its `role`, which is `system`, `user` or `assistant`, and its `content`."""


class Model(Protocol):
    """What answers prompts."""

    @property
    def name(self) -> str:
        """As people ask for it."""

    def answer(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Source:
        """A source that writes what follows the messages. `options` are fields of OpenAI's API that were checked."""


class Unavailable(Exception):
    """A model that cannot be had. The message says what is missing, and how to get it."""


class Trouble(Exception):
    """A source cannot go on. The message is for whoever reads the answer: what happened, and what to do."""


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

    def first(self, most: int) -> "Schedule":
        """Its first tokens, so many at most."""
        return replace(self, once=list(islice(self.tokens, most)), repeat=1) if most < self.size else self

    def __iter__(self) -> Iterator[tuple[float, str]]:
        return zip(self.dues_ms, self.tokens, strict=False)


def scripted(schedule: Schedule) -> Source:
    """A source that types `schedule`.

    Every token has its own due time counted from the start. Sleeping "80 ms" a hundred times would add up the
    lateness of a hundred wake-ups; waiting *until* a due time cannot drift.
    """

    async def source(answer: Answer) -> None:
        await clock().follow(typing(answer, schedule))

    return source


def typing(answer: Answer, schedule: Schedule, about: Mapping[str, Any] | None = None) -> Course:
    """Goes on whenever a token is due. The end comes with the last one, so that both are one chunk.

    With the end, `about` is what the answer says of itself.
    """
    dues_ms, left = iter(schedule.dues_ms), schedule.size
    for token in schedule.tokens:
        due = answer.started + next(dues_ms) / 1000
        yield due
        left -= 1
        if about and not left:
            answer.about = about
        answer.append(token, due, more=not left)
    answer.end("finished")
