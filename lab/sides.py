"""What is compared with what: variants that were measured under the same conditions, and how one differs from another.

The one thing to notice: two sides differ in a figure only if the intervals of their medians have nothing in common, and
the difference is large enough for anybody to care.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from lab.result import Key, Row, groups, values
from lab.spread import apart, interval, median
from server.transports import TRANSPORTS

ORDER = list(TRANSPORTS)
NOTICEABLE = 0.01
"""A smaller share than this is called no difference, even where it is beyond noise."""
NOTICEABLE_ONCE = 0.1
"""The same for what varies by chance and was measured once: its interval is a point, which nothing overlaps."""

NAMES = {"long_polling": "long polling", "sse": "SSE", "websocket": "WebSocket"}
"""How a sentence calls a transport, where that is not its name."""


class Finding(NamedTuple):
    """One thing that was seen, and whether it speaks for a claim."""

    holds: bool
    about: str
    says: str


@dataclass(frozen=True)
class Setting:
    """The conditions that all sides share."""

    readers: int
    token_ms: float
    unit: str
    cookie_bytes: int
    tls: bool

    @property
    def crowd(self) -> str:
        """How many readers, in words."""
        return f"{self.readers} reader{'s' * (self.readers != 1)}"

    def unlike(self, other: "Setting") -> str:
        """What is different here from another setting."""
        words = {
            "readers": self.crowd,
            "token_ms": f"a token every {number(self.token_ms)} ms",
            "unit": f"one {self.unit} as token",
            "cookie_bytes": f"{self.cookie_bytes} bytes of cookies",
            "tls": "TLS" if self.tls else "no TLS",
        }
        return ", ".join(said for name, said in words.items() if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True)
class Side:
    """All runs of one variant under one setting."""

    name: str
    transport: str
    rows: Sequence[Row]


Settings = Mapping[Setting, Sequence[Side]]


def settings(rows: Iterable[Row]) -> Settings:
    """The sides under each setting, the plainest one first. Only WebSocket can have deflate: that is a side as well."""
    found: dict[Setting, dict[tuple[str, str], list[Row]]] = {}
    for key, runs in sorted(groups(rows).items(), key=_place):
        setting = Setting(**{part.name: getattr(key, part.name) for part in fields(Setting)})
        found.setdefault(setting, {}).setdefault((_name(key), key.transport), []).extend(runs)
    return {
        setting: [Side(*who, runs) for who, runs in found[setting].items()] for setting in sorted(found, key=_plainness)
    }


def _place(group: tuple[Key, Sequence[Row]]) -> tuple[int, int, bool]:
    """In the order of the table of transports, whatever was measured first; a faster poll before a slower one."""
    key, runs = group
    transport = ORDER.index(key.transport) if key.transport in ORDER else len(ORDER)
    return transport, runs[0].get("poll_ms") or 0, bool(key.deflate)


def _plainness(setting: Setting) -> tuple[bool, int, int]:
    return bool(setting.tls), setting.cookie_bytes or 0, setting.readers or 0


def _name(key: Key) -> str:
    name = key.variant.replace(key.transport, NAMES.get(key.transport, key.transport))
    return f"{name} with deflate" if key.deflate and key.transport == "websocket" else name


def of(sides: Iterable[Side], *transports: str) -> list[Side]:
    """The sides of these transports; none unless all of these were measured."""
    if {side.transport for side in sides} >= set(transports):
        return [side for side in sides if side.transport in transports]
    return []


class Figure(NamedTuple):
    """What can be less on one side than on another."""

    words: str
    of: Callable[[Side], list[float]]
    """Its value in every run that has it."""
    counted: bool
    """Whether it is a count, which chance hardly moves, and not a time, CPU or memory."""


def amount(figure: str, words: str) -> Figure:
    """A figure as it stands in the rows."""
    return Figure(words, lambda side: values(side.rows, figure), counted=False)


def per(total: Sequence[str], by: str, words: str) -> Figure:
    """A sum of figures, divided by another one."""

    def ratios(side: Side) -> list[float]:
        rows = [row for row in side.rows if row.get(by) and all(row.get(name) is not None for name in total)]
        return [sum(row[name] for name in total) / row[by] for row in rows]

    return Figure(words, ratios, counted=True)


def less(one: Side, other: Side, *figures: Figure) -> Iterator[Finding]:
    """For each figure that was measured on both sides: has `one` less of it?

    What varies by chance, and was measured once on a side, has to differ by a tenth to be called different.
    """
    for figure in figures:
        here, there = figure.of(one), figure.of(other)
        if here and there:
            least = NOTICEABLE if figure.counted or min(len(here), len(there)) > 1 else NOTICEABLE_ONCE
            differ = apart(interval(here), interval(there)) and noticeable(median(here), median(there), least)
            says = f"{one.name} {quoted(here)}, {other.name} {quoted(there)}{'' if differ else ' (no difference)'}"
            yield Finding(differ and median(here) < median(there), figure.words, says)


def noticeable(here: float, there: float, least: float = NOTICEABLE) -> bool:
    """Whether two values differ by more than the share that anybody would leave aside."""
    return abs(here - there) > least * max(abs(here), abs(there))


def number(value: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def quoted(found: Sequence[float]) -> str:
    """The median, with its interval where that is wide enough to be seen."""
    middle = number(median(found))
    low, high = map(number, interval(found))
    return middle if low == high else f"{middle} ({low} to {high})"
