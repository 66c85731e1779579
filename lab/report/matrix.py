"""The matrix in the terminal: a line for each attack and defence, a column for each transport.

The one thing to notice: each cell tells two runs, without the defence and with it; only the difference between them is
the defence's own. Names come first; in a narrow terminal they become the ids that the command line takes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.report.attacks import LEGEND, SIGNS, Line, asked_for, families, headlines, left, outcomes, transports, untried
from lab.report.headline import Document
from lab.report.table import UNLIMITED, said, warning
from lab.result import Row
from lab.security.probe import COULD_NOT_RUN, NOT_APPLICABLE, STOPPED, SUCCEEDED

STYLES = {SUCCEEDED: "red", STOPPED: "green", NOT_APPLICABLE: "dim", COULD_NOT_RUN: "yellow"}

FOLDED = {"polling": "poll-\ning", "long_polling": "long_\npoll-\ning", "websocket": "web-\nsocket"}
"""Headings for narrow columns."""


class Plan(NamedTuple):
    """How much of everything to show."""

    names: Callable[[Line], tuple[str, str]]
    cell: Callable[[Row], Text]
    tight: bool = False
    """Whether headings are folded, and columns as close as they may be."""


def matrix(document: Document) -> RenderableType:
    """What was tried, for `Console.print`; it works with every document, however little was tried."""
    drawn: list[RenderableType] = [Fitting(document), *_legend(document)] if document["rows"] else []
    return Group(
        *warning(document), *drawn, *_untried(document), *_left(document), *said(headlines(document), document)
    )


@dataclass(frozen=True)
class Fitting:
    """The matrix, in the widest form that fits."""

    document: Document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Take the first plan that fits; where none does, the transports are listed under each attack."""
        for plan in PLANS:
            drawn = _drawn(self.document, plan)
            if console.measure(drawn, options=options.update(max_width=UNLIMITED)).maximum <= options.max_width:
                yield drawn
                return
        yield from _listed(self.document)


def _drawn(document: Document, plan: Plan) -> Table:
    names = transports(document)
    drawn = Table(box=None, header_style="bold", padding=(0, 1 if plan.tight else 2, 0, 0))
    folded = FOLDED if plan.tight else {}
    headings = [Text(folded.get(name, line(name))) for name in ("attack", "defence", *names)]
    for heading in headings:
        drawn.add_column(heading, no_wrap=True)
    for title, group in families(document).items():
        drawn.add_row(Text(line(title), "bold"))
        for each in group:
            cells = [plan.cell(each.cells[name]) if name in each.cells else Text() for name in names]
            drawn.add_row(*(Text(line(name)) for name in plan.names(each)), *cells)
    return drawn


def _listed(document: Document) -> Iterator[Text]:
    """The same without columns."""
    for title, group in families(document).items():
        yield Text(line(title), "bold")
        for each in group:
            yield Text(line(" / ".join(_ids(each))))
            for row, names in _alike(each):
                yield Text.assemble("  ", _signs(row), " ", line(" ".join(names)))


def _alike(each: Line) -> Iterator[tuple[Row, list[str]]]:
    """The transports on which it came out alike, with one of their rows."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, row in each.cells.items():
        found.setdefault((row["off"], row["on"]), []).append(name)
    yield from ((each.cells[names[0]], names) for names in found.values())


def line(text: str) -> str:
    """What others wrote, as a part of one line that a terminal shows and does not obey."""
    return safe(" ".join(text.split()))


def _words(row: Row) -> Text:
    """`✗ succeeded → ✓ stopped`."""
    return _told(row, lambda outcome: f"{SIGNS[outcome]} {outcome}")


def _signs(row: Row) -> Text:
    """`✗ → ✓`."""
    return _told(row, SIGNS.__getitem__)


def _close(row: Row) -> Text:
    """`✗→✓`."""
    return _told(row, SIGNS.__getitem__, "→")


def _told(row: Row, tell: Callable[[str], str], arrow: str = " → ") -> Text:
    return Text(arrow).join(Text(tell(outcome), STYLES[outcome]) for outcome in outcomes(row))


def _names(line: Line) -> tuple[str, str]:
    return line.attack, line.against


def _ids(line: Line) -> tuple[str, str]:
    return line.probe, line.defence


PLANS: Sequence[Plan] = (
    Plan(_names, _words),
    Plan(_names, _signs),
    Plan(_ids, _signs),
    Plan(_ids, _close, tight=True),
)
"""The widest first."""


def _legend(document: Document) -> Iterator[Text]:
    yield Text("In each cell: without the defence → with it.", "dim")
    for outcome, meaning in LEGEND.items():
        yield Text.assemble((SIGNS[outcome], STYLES[outcome]), (f" {meaning}", "dim"))
    if flags := asked_for(document):
        yield Text(f"There when asked for: {', '.join(f'{name} ({flag})' for name, flag in flags.items())}.", "dim")


def _untried(document: Document) -> Iterator[Text]:
    """What could not run, and why."""
    for why, names in untried(document).items():
        yield Text.assemble(("could not run ", "bold yellow"), line(f"{names}: {why}"))


def _left(document: Document) -> Iterator[Text]:
    """What is only there to be compared, and what it does not stop."""
    for each, words in left(document):
        yield Text.assemble(("left ", "bold yellow"), line(f"by {each.against}, of {each.attack}:"))
        for name, says in words.items():
            yield Text(line(f"{name}: {says}"))
