"""The one clock. The one thing to notice: no test waits for a time of day, only for an order of things."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from server.clock import MOST_STOPPED, Clock, Course, clock

FAR_S = 3600


def at(times: list[float], note: Callable[[float], None]) -> Course:
    """Notes each of these times (seconds from now) when it has come."""
    began = time.monotonic()
    for seconds in times:
        yield began + seconds
        note(seconds)


async def some_turns() -> None:
    """More of the loop's turns than it takes until what is due at once has been done."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_a_course_goes_on_at_its_times_in_their_order_and_never_early() -> None:
    began, came = time.monotonic(), list[tuple[float, float]]()
    await clock().follow(at([0, 0.01, 0.03], lambda due: came.append((due, time.monotonic() - began))))
    assert [due for due, _ in came] == [0, 0.01, 0.03]
    assert all(now >= due for due, now in came)


async def test_courses_take_turns_so_that_one_that_is_late_holds_up_no_other() -> None:
    came: list[str] = []
    late = [at([-1] * 3, lambda _, name=name: came.append(name)) for name in "ab"]  # type: ignore[misc]
    await asyncio.gather(*map(clock().follow, late))
    assert "".join(came) == "ababab"


async def test_a_course_that_is_late_goes_on_in_every_turn_of_the_loop_until_it_is_not() -> None:
    came: list[float] = []
    following = asyncio.create_task(clock().follow(at([-1] * 1000, came.append)))
    for _ in range(1010):  # no time goes by but that of the turns
        await asyncio.sleep(0)
    assert len(came) == 1000
    await following


async def test_a_thousand_courses_cost_the_loop_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    ours, due = Clock(), time.monotonic() + FAR_S

    def counted(delay: float, call: Callable[..., None], *of: Any) -> asyncio.TimerHandle:
        timer = call_later(delay, call, *of)
        if getattr(call, "__self__", None) is ours:
            timers.append(timer)
        return timer

    monkeypatch.setattr(loop, "call_later", counted)
    for number in range(1000):
        ours.start(at([FAR_S + number], lambda _: None))
    await some_turns()
    assert sum(not timer.cancelled() and timer.when() >= due for timer in timers) == 1
    assert len(timers) <= 3


async def test_a_course_that_fails_tells_who_follows_it_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    came: list[float] = []

    def fail(_: float) -> None:
        raise ValueError("broken")

    clock().start(at([0], fail))  # nobody hears of this one
    others = clock().follow(at([0, 0.01], came.append))
    with pytest.raises(ValueError, match="broken"):
        await clock().follow(at([0], fail))
    await others
    assert came == [0, 0.01]
    assert [record.levelno for record in caplog.records if record.name == "server.clock"] == [logging.ERROR]


async def test_who_follows_no_longer_stops_the_course() -> None:
    came: list[float] = []
    following = asyncio.create_task(clock().follow(at([0, FAR_S], came.append)))
    await some_turns()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert came == [0]


async def test_a_course_that_was_stopped_goes_on_no_more_and_its_place_is_given_back() -> None:
    ours = Clock()
    for _ in range(10 * MOST_STOPPED):
        course = at([FAR_S], lambda _: None)
        ours.start(course)
        ours.stop(course)
    assert sum(map(len, ours._courses.values())) <= MOST_STOPPED + 1


async def test_a_course_may_start_another() -> None:
    came: list[float] = []
    await clock().follow(at([0], lambda _: clock().start(at([-1], came.append))))
    await some_turns()
    assert came == [-1]


async def test_each_loop_has_one_clock() -> None:
    assert clock() is clock()
