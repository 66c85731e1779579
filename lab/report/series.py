"""What a result document shows: each figure of each variant as a median of its runs, and which variants nothing beats.

The one thing to notice: nobody is ranked by one number. Bytes and lag make a plane, and the answer to "which is best?"
is its front: the variants for which no other is better in one without being worse in the other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.report.glossary import FIGURES
from lab.result import Key, Row, groups
from lab.sides import noticeable, number
from lab.spread import Interval, apart, interval, median
from server.transports import TRANSPORTS

ORDER = list(TRANSPORTS)

CONDITIONS: dict[str, Callable[[Any], str]] = {
    "token_ms": lambda ms: f"a token every {ms:g} ms",
    "unit": lambda unit: f"by {unit}",
    "cookie_bytes": lambda count: f"{count} B of cookies" if count else "no cookies",
    "tls": lambda tls: "TLS" if tls else "no TLS",
}
"""What all variants of one comparison share, and its words. How often to poll and whether to deflate make a variant."""

BASELINE = "whole"
"""It does not push: it is drawn beside the others, and competes with none."""


class Median(NamedTuple):
    """The median of a figure over runs, and where it lies with 95 % confidence."""

    middle: float
    interval: Interval
    runs: int


@dataclass(frozen=True)
class Series:
    """All runs of one variant under the same conditions."""

    key: Key
    label: str
    conditions: str
    rows: Sequence[Row]
    medians: dict[str, Median]

    @property
    def pushes(self) -> bool:
        """Whether it delivers while the answer is being typed."""
        return self.key.transport != BASELINE


def series(document: dict[str, Any]) -> list[Series]:
    """What was measured, plainest conditions first, then fewest readers, then as the transports are listed."""
    found = groups(document["rows"])
    telling = [name for name in CONDITIONS if len({getattr(key, name) for key in found}) > 1]
    return [
        Series(key, _label(key), _conditions(key, telling), rows, _medians(rows))
        for key, rows in sorted(found.items(), key=_place)
    ]


def middle(one: Series, figure: str) -> float | None:
    """The median of a figure, None where it was not measured."""
    return one.medians[figure].middle if figure in one.medians else None


def front(competitors: Iterable[Series], one: str = "bytes_per_token", other: str = "lag_p95") -> list[Series]:
    """Those that nobody beats: better in one figure, beyond noise, and not worse in the other."""
    known = [each for each in competitors if each.pushes and {one, other} <= each.medians.keys()]
    return [each for each in known if not any(_beats(rival, each, (one, other)) for rival in known)]


def scenes(found: Sequence[Series]) -> list[list[Series]]:
    """Those that may be compared: under the same conditions, with as many readers. The fullest scene comes first."""
    scenes: dict[tuple[str, int], list[Series]] = {}
    for one in found:
        scenes.setdefault((one.conditions, one.key.readers), []).append(one)
    return sorted(scenes.values(), key=lambda rivals: (-len(rivals), -(rivals[0].key.readers or 0)))


def shown(value: float | None) -> str:
    """Three digits, which is more than most measurements are good for; – for what was not measured."""
    return "–" if value is None else number(value)


def place(transport: str) -> int:
    """Where a transport stands in every list; one that this server does not have comes last."""
    return ORDER.index(transport) if transport in ORDER else len(ORDER)


def _place(group: tuple[Key, Sequence[Row]]) -> tuple[tuple[bool, Any], ...]:
    """Where a group stands; what a damaged row does not tell comes last."""
    key, rows = group
    conditions = [getattr(key, name) for name in CONDITIONS]
    parts = (*conditions, key.readers, place(key.transport), rows[0].get("poll_ms"), key.deflate)
    return tuple((part is None, part or 0) for part in parts)


def _label(key: Key) -> str:
    return f"{key.variant} with deflate" if key.deflate else key.variant


def _conditions(key: Key, telling: Iterable[str]) -> str:
    """Those conditions in which a document's groups differ, in words."""
    return ", ".join(CONDITIONS[name](getattr(key, name)) for name in telling)


def _medians(rows: Sequence[Row]) -> dict[str, Median]:
    found = {name: [value for row in rows if (value := figure.of(row)) is not None] for name, figure in FIGURES.items()}
    return {name: _median(measured) for name, measured in found.items() if measured}


def _median(measured: Sequence[float]) -> Median:
    same = min(measured) == max(measured)
    return Median(median(measured), (measured[0], measured[0]) if same else interval(measured), len(measured))


def _beats(rival: Series, one: Series, figures: Iterable[str]) -> bool:
    """Whether `rival` is better in a figure, and in none worse."""
    signs = {_compared(rival.medians[figure], one.medians[figure]) for figure in figures}
    return -1 in signs and 1 not in signs


def _compared(here: Median, there: Median) -> int:
    """-1 when `here` is less, 1 when it is more, 0 when chance may be all that makes them differ."""
    if not apart(here.interval, there.interval) or not noticeable(here.middle, there.middle):
        return 0
    return -1 if here.middle < there.middle else 1
