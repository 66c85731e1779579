"""Two results side by side: what changed beyond noise. For two versions of the code, on the same machine.

The one thing to notice: it refuses more than it compares. Numbers from another machine, another Python or other
parameters differ for reasons that are not the change one is looking for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.report.changes import changes
from lab.result import BadResult, Row, values
from lab.sides import Setting, Settings, Side, number, quoted, settings
from lab.spread import ENOUGH_RUNS, apart, interval, median

MATTERS = (
    "machine",
    "cpu",
    "cores",
    "kernel",
    "python",
    "tcp_congestion_control",
    "network",
    "loop",
    "aiohttp",
    "websockets",
)
"""What must be equal in both environments. The commit, the date and the load may differ, and are shown."""

FIGURES = (
    "ttft_ms.p50",
    "e2e_ms.p50",
    "lag_ms.p50",
    "lag_ms.p95",
    "corrected_lag_ms.p95",
    "itl_ms.p99",
    "bytes_up",
    "bytes_down",
    "wire_bytes",
    "overhead_factor",
    "cpu_us_per_token",
    "memory_bytes_per_connection.idle",
    "memory_bytes_per_connection.active",
)
CHANCE = "Of 100 figures that are the same, about one looks changed: chance can order five runs of each that way."
"""2 of the 252 ways in which ten runs can be ordered have all of one side before the other."""
SHOWN = 5
"""Changes that the summary names."""

KINDS: dict[str, tuple[type, ...]] = {
    "variant": (str,),
    "transport": (str,),
    "unit": (str,),
    "readers": (int,),
    "token_ms": (int, float),
    "cookie_bytes": (int,),
    "tls": (bool,),
    "deflate": (bool,),
}
"""What tells with which other rows a row is compared, and what that must be."""
UNLIMITED = 10_000


class Incomparable(Exception):
    """Why two results must not be compared, as a sentence."""


@dataclass(frozen=True)
class Pair:
    """One figure of one side in both results: its value in each run."""

    side: str
    figure: str
    before: Sequence[float]
    after: Sequence[float]

    @property
    def differs(self) -> bool:
        """Whether the medians' intervals have nothing in common."""
        return apart(interval(self.before), interval(self.after))

    @property
    def enough(self) -> bool:
        """Whether there were runs enough to know what noise is."""
        return min(len(self.before), len(self.after)) >= ENOUGH_RUNS

    @property
    def change(self) -> str:
        """By how much the median is another one."""
        before, after = median(self.before), median(self.after)
        return f"{round((after - before) / abs(before), 3) + 0.0:+.1%}" if before else "–"

    @property
    def verdict(self) -> str:
        """What may be said about it."""
        if not self.differs:
            return ""
        return "changed" if self.enough else "too few runs"

    def __str__(self) -> str:
        return f"{self.side} {self.figure} {number(median(self.before))} → {number(median(self.after))}"


@dataclass(frozen=True)
class Comparison:
    """What two results have in common, and what not."""

    pairs: Sequence[Pair]
    notes: Sequence[str]
    attacks: str = ""
    """What to say of two results that have no figures, but attacks."""

    @property
    def summary(self) -> str:
        """It all in one sentence, or two."""
        if self.attacks:
            return self.attacks
        if not self.pairs:
            return "The two results have no figure in common."
        changed = [pair for pair in self.pairs if pair.differs and pair.enough]
        unsure = [pair for pair in self.pairs if pair.differs and not pair.enough]
        sentences = [_named(changed, "changed beyond noise")] if changed or not unsure else []
        if unsure:
            sentences.append(
                _named(
                    unsure,
                    f"differ{'s' * (len(unsure) == 1)}, but fewer than {ENOUGH_RUNS} runs are too few to tell noise",
                )
            )
        return " ".join(sentences)


def _named(pairs: Sequence[Pair], what: str) -> str:
    if not pairs:
        return f"Nothing {what}."
    names = "; ".join(map(str, pairs[:SHOWN])) + (f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else "")
    return f"{len(pairs)} figure{'s' * (len(pairs) > 1)} {what}: {names}."


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> Comparison:
    """What is different in `b`. Raises Incomparable, and BadResult for a row that nothing can be told of."""
    differences = "; ".join(_differences(a, b))
    if a["experiment"] == b["experiment"] == "security":
        unlike = [f"Not alike (first A, then B): {differences}."] * bool(differences)
        return Comparison((), [*_about("A", a), *_about("B", b), *unlike], changes(a, b))
    if differences:
        raise Incomparable(
            f"These two results cannot be compared: {differences} (first A, then B). "
            "Measure both on one machine with the same command."
        )
    before, after = settings(_sound("A", a["rows"])), settings(_sound("B", b["rows"]))
    plainest = next(iter(before or after), None)
    old, new = _named_sides(before, plainest), _named_sides(after, plainest)
    pairs = [pair for name in old if name in new for pair in _pairs(name, old[name], new[name])]
    notes = [*_about("A", a), *_about("B", b), *_only("A", old, new), *_only("B", new, old)]
    return Comparison(pairs, notes + [CHANCE] * bool(pairs))


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """What is not equal and would have to be, with both values."""
    pairs = [(key, a[key], b[key]) for key in ("schema", "experiment")]
    pairs += [(key, a["environment"].get(key), b["environment"].get(key)) for key in MATTERS]
    names = dict.fromkeys([*a["parameters"], *b["parameters"]])
    pairs += [(f"parameter {name}", a["parameters"].get(name), b["parameters"].get(name)) for name in names]
    for name, here, there in pairs:
        if here != there:
            yield f"{name} is {here} and {there}"


def _sound(letter: str, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, if each tells what it is of."""
    for at, row in enumerate(rows, 1):
        for name, kinds in KINDS.items():
            if not row.get("void") and not isinstance(row.get(name), kinds):
                raise BadResult(f"{letter} is damaged: `{name}` of row {at} is missing or strange. Measure again.")
    return rows


def _named_sides(measured: Settings, plainest: Setting | None) -> dict[str, Side]:
    """All sides by a name that tells them apart; the plainest setting goes without saying."""
    return {
        side.name if setting == plainest or not plainest else f"{side.name}, {setting.unlike(plainest)}": side
        for setting, sides in measured.items()
        for side in sides
    }


def _pairs(name: str, old: Side, new: Side) -> Iterator[Pair]:
    for figure in FIGURES:
        before, after = values(old.rows, figure), values(new.rows, figure)
        if before and after:
            yield Pair(name, figure, before, after)


def _about(letter: str, document: Mapping[str, Any]) -> Iterator[str]:
    environment = document["environment"]
    commit = f"{environment.get('commit')}{' with changes' * bool(environment.get('dirty'))}"
    yield f"{letter}: {document['started']}, commit {commit}, load average {environment.get('load_average')}."
    if not document["complete"]:
        yield f"{letter} is not complete: {document['note'] or 'the experiment did not end'}."
    if void := sum(bool(row.get("void")) for row in document["rows"]):
        yield f"{letter} has {void} void run{'s' * (void > 1)}, which {'are' if void > 1 else 'is'} left out."


def _only(letter: str, here: Mapping[str, Side], there: Mapping[str, Side]) -> Iterator[str]:
    if names := [name for name in here if name not in there]:
        yield f"Only in {letter}: {'; '.join(names)}."


def table(comparison: Comparison) -> Group:
    """For the terminal: what was compared, every pair of figures, and the summary."""
    notes = [Text(note, style="dim") for note in comparison.notes]
    pairs = [Fitting(comparison.pairs)] if comparison.pairs else []
    return Group(*notes, *pairs, Text(comparison.summary, style="bold"))


@dataclass(frozen=True)
class Fitting:
    """The pairs, as much of them as fits: intervals are left out first, then each side gets a line of its own."""

    pairs: Sequence[Pair]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Take the first that fits. In the last, a name may go on in the next line, but never a number."""
        for interval_too in (True, False):
            grid = _grid(self.pairs, interval_too)
            if console.measure(grid, options=options.update(max_width=UNLIMITED)).maximum <= options.max_width:
                yield grid
                return
        for side in dict.fromkeys(pair.side for pair in self.pairs):
            yield Text(side, style="bold")
            yield _grid([pair for pair in self.pairs if pair.side == side], interval_too=False, sides=False)


def _grid(pairs: Sequence[Pair], interval_too: bool, sides: bool = True) -> Table:
    grid = Table(box=None, header_style="bold")
    for heading in ("variant", "figure") if sides else ("figure",):
        grid.add_column(heading, no_wrap=sides, overflow="fold")
    for heading in ("A", "B", "change"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    for pair in pairs:
        style = ("bold" if pair.enough else "yellow") if pair.differs else "dim"
        medians = [quoted(side) if interval_too else number(median(side)) for side in (pair.before, pair.after)]
        names = (pair.side, pair.figure) if sides else (pair.figure,)
        grid.add_row(*names, *medians, pair.change, pair.verdict, style=style)
    return grid
