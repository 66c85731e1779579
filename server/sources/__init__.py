"""Who writes tokens into an answer.

The one thing to notice: a scripted source is only a schedule, pairs of (milliseconds after the start, token). Making
one is pure (typewriter.py, replay.py); keeping to it happens here, once.
"""

from collections.abc import Awaitable, Callable, Iterable

from server.answer import Answer
from server.clock import Course, clock

Source = Callable[[Answer], Awaitable[None]]
"""Writes all tokens of an answer and returns; is cancelled when somebody stops the answer."""

Schedule = Iterable[tuple[float, str]]
"""(milliseconds after the start, token), in order of time."""


def scripted(schedule: Schedule) -> Source:
    """A source that types `schedule`.

    Every token has its own due time counted from the start. Sleeping "80 ms" a hundred times would add up the
    lateness of a hundred wake-ups; waiting *until* a due time cannot drift.
    """

    async def source(answer: Answer) -> None:
        await clock().follow(_typing(answer, schedule))

    return source


def _typing(answer: Answer, schedule: Schedule) -> Course:
    """Goes on whenever a token is due. The end comes in the turn of the last one, so that both are one chunk."""
    for ms, token in schedule:
        due = answer.started + ms / 1000
        yield due
        answer.append(token, due)
    answer.end("finished")
