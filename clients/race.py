"""The race: one answer, read over all transports at once, typed side by side in the terminal.

The one thing to notice: all lanes read the *same* answer. They differ in nothing but the way the text takes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from functools import partial

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clients import CLIENTS
from clients.chunk import Refused, StreamError
from clients.lane import Lane
from clients.resume import resuming
from clients.terminal import safe

FRAMES_PER_SECOND = 20
COLOURS = {
    "waiting": "dim",
    "typing": "cyan",
    "cut off": "magenta",
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
}


async def race(links: dict[str, str], started: float, console: Console) -> list[Lane]:
    """Read `links` (transport to URL) all at once, showing it live; TTFT counts from `started` (monotonic)."""
    lanes = [Lane(name, started) for name in links]
    picture = partial(_picture, lanes, console)
    with (
        _no_wrapping(console),
        Live(console=console, screen=console.is_terminal, refresh_per_second=FRAMES_PER_SECOND, get_renderable=picture),
    ):
        await asyncio.gather(*(_run(lane, links[lane.name]) for lane in lanes))
    if not isinstance(last := picture(), Table):
        console.print(last)
    console.print(table(lanes))
    return lanes


def table(lanes: list[Lane]) -> Table:
    """The result: one row a lane."""
    result = Table(box=None, header_style="bold")
    for heading in ("transport", "end"):
        result.add_column(heading, no_wrap=True)
    for heading in ("TTFT ms", "requests", "chunks", "characters", "came back"):
        result.add_column(heading, justify="right")
    result.add_column("SHA-256", no_wrap=True)
    for lane in lanes:
        ttft = "-" if lane.ttft is None else f"{lane.ttft * 1000:.0f}"
        check = Text(f"{lane.digest[:8]} {'✓' if lane.whole else '✗'}", "green" if lane.whole else "red")
        numbers = (str(lane.requests), str(lane.chunks), str(lane.characters), str(lane.returns))
        result.add_row(lane.name, Text(lane.state, COLOURS[lane.state]), ttft, *numbers, check)
    return result


async def _run(lane: Lane, url: str) -> None:
    try:
        async with aclosing(resuming(CLIENTS[lane.name], lane.note)(url)) as chunks:
            async for chunk in chunks:
                lane.take(chunk)
    except (StreamError, Refused) as error:
        lane.lose(error)


@contextmanager
def _no_wrapping(console: Console) -> Iterator[None]:
    """Keep the terminal from wrapping lines: some draw emoji wider than expected, which would break the picture."""
    if console.is_terminal and not console.legacy_windows:
        console.file.write("\x1b[?7l")
    try:
        yield
    finally:
        if console.is_terminal and not console.legacy_windows:
            console.file.write("\x1b[?7h")


def _picture(lanes: list[Lane], console: Console) -> RenderableType:
    """The lanes side by side; only their figures where there is no room for text."""
    columns = max(1, min(3, console.width // 36))
    rows = -(-len(lanes) // columns)
    width, height = (console.width - 1) // columns, min(9, (console.height - 1) // rows)
    if height < 4:
        return table(lanes)
    return Columns([_panel(lane, width, height) for lane in lanes], padding=0, width=width)


def _panel(lane: Lane, width: int, height: int) -> Panel:
    """The end of the text, so that a long answer scrolls, under one line of figures."""
    end = safe(lane.shown[-width * height :])  # more than fits, and no more than that is looked at again and again
    visible = Text(end).wrap(Console(width=width), max(1, width - 4))[-(height - 3) :]
    ttft = "-" if lane.ttft is None else f"{lane.ttft * 1000:.0f} ms"
    colour = COLOURS[lane.state]
    back = f"  came back {lane.returns}" if lane.returns else ""
    figures = Text(f"{lane.state}  TTFT {ttft}  requests {lane.requests}{back}", style=colour, no_wrap=True)
    return Panel(Group(figures, *visible), title=lane.name, border_style=colour, height=height, width=width)
