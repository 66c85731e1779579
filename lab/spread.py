"""How values spread: percentiles, histograms that merge, and the interval within which a median is known.

The one thing to notice: percentiles of two runs cannot be averaged into those of both. Histograms can be added, so they
are what is kept; and where one number has to stand for several runs, it is their median, quoted with its interval.
"""

import math
import random
import statistics
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

Item = TypeVar("Item")
Summary = dict[str, float]
Interval = tuple[float, float]

PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}
LONGEST_US = 120_000_000
"""Two minutes; what takes longer counts as that long."""
STEPS = 5
"""Of a curve, until what is left of its values is half as many."""
RESAMPLES = 1000
ENOUGH_RUNS = 5
"""Fewer runs than this cannot tell noise from a difference."""


def summary(values: Sequence[float]) -> Summary:
    """Mean, percentiles and maximum, rounded to 3 decimals: a microsecond, where the values are milliseconds."""
    ordered = sorted(values)
    figures = {"mean": statistics.fmean(ordered)}
    for name, percent in PERCENTILES.items():
        figures[name] = ordered[_rank(percent, len(ordered)) - 1]
    figures["max"] = ordered[-1]
    return {name: round(figure, 3) for name, figure in figures.items()}


def _rank(percent: float, count: int) -> int:
    """Nearest rank: the first of the ordered values that at least `percent` of all do not exceed; counts from 1."""
    return max(1, math.ceil(percent * count / 100))


class Histogram:
    """An HdrHistogram of microseconds, 1 µs to 120 s, exact to 3 digits. It takes and gives milliseconds."""

    def __init__(self) -> None:
        self._counts: Any = HdrHistogram(1, LONGEST_US, 3)

    def record(self, ms: float) -> None:
        """Count a value. One below zero, as two clocks can give, counts as zero."""
        self._counts.record_value(min(max(round(ms * 1000), 0), LONGEST_US))

    def add(self, other: "Histogram") -> None:
        """Count everything that `other` has counted."""
        self._counts.add(other._counts)

    def __len__(self) -> int:
        """How many values were counted."""
        return int(self._counts.total_count)

    def summary(self) -> Summary:
        """The same as `summary` of the recorded values, within 3 digits."""
        if not len(self):
            raise ValueError("an empty histogram has no summary")
        recorded = self._recorded()
        figures = {"mean": sum(ms * count for ms, count in recorded) / len(self)}
        figures |= zip(PERCENTILES, self._percentiles(PERCENTILES.values()), strict=True)
        figures["max"] = recorded[-1][0]
        return {name: round(ms, 3) for name, ms in figures.items()}

    def curve(self) -> list[tuple[float, float]]:
        """(percentile, ms) up to 100 %. Five steps halve what is left, so the tail is as detailed as the rest."""
        if not len(self):
            return []
        steps = range(STEPS * len(self).bit_length() + 1)
        percents = [*(100 * (1 - 0.5 ** (step / STEPS)) for step in steps), 100.0]
        return list(zip(percents, self._percentiles(percents), strict=True))

    def _recorded(self) -> list[tuple[float, int]]:
        """(ms, how many) of every value that there is, in order."""
        highest, value = self._counts.get_highest_equivalent_value, self._counts.get_value_from_index
        return [(highest(value(at)) / 1000, count) for at, count in enumerate(self._counts.counts[:]) if count]

    def _percentiles(self, percents: Iterable[float]) -> list[float]:
        recorded = self._recorded()
        up_to = list(accumulate(count for _, count in recorded))
        return [recorded[bisect_left(up_to, _rank(percent, len(self)))][0] for percent in percents]

    def encode(self) -> str:
        """Base64 of the HdrHistogram V2 format, which other languages' libraries read, too."""
        return str(self._counts.encode(), "ascii")

    @classmethod
    def decode(cls, encoded: str) -> "Histogram":
        """The histogram that `encode` wrote."""
        histogram = cls()
        histogram._counts.decode_and_add(encoded)
        return histogram


def median(values: Sequence[float]) -> float:
    """The value in the middle; of an even number, the mean of the two."""
    return float(statistics.median(values))


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Where the median lies with 95 % confidence: the bootstrap's percentile interval.

    The values are drawn again with replacement many times; the medians of these draws tell how much chance there is in
    the median. Of five values that is nearly always their whole range. Of one it is that value: no noise is known.
    """
    return _interval(tuple(values), seed)


@lru_cache(maxsize=10_000)
def _interval(values: tuple[float, ...], seed: int) -> Interval:
    chance = random.Random(seed)  # noqa: S311 (the same values shall always give the same interval)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = RESAMPLES * 25 // 1000
    return float(medians[tail]), float(medians[-tail - 1])


def apart(one: Interval, other: Interval) -> bool:
    """Whether two intervals have no value in common. Only then are two medians called different."""
    return one[1] < other[0] or other[1] < one[0]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much y grows for each x: the least-squares line through the points."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def interleaved(items: Sequence[Item], runs: int, seed: int) -> Iterator[tuple[int, Item]]:
    """(run, item): every run holds each item once, in an order of its own, so that no item is always measured first."""
    chance = random.Random(seed)  # noqa: S311
    for run in range(1, runs + 1):
        for item in chance.sample(items, len(items)):
            yield run, item
