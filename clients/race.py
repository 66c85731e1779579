"""The race: one answer, read over all transports at once, typed side by side in the terminal.

The one thing to notice: all lanes read the *same* answer. They differ in nothing but the way the text takes.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clients import CLIENTS
from clients.chunk import Chunk, Refused, StreamError
from clients.terminal import safe

FRAMES_PER_SECOND = 20
COLOURS = {"waiting": "dim", "typing": "cyan", "finished": "green", "stopped": "yellow", "failed": "red"}


@dataclass(slots=True)
class Lane:
    """What one client has read so far."""

    name: str
    started: float
    text: str = ""
    state: str = "waiting"
    ttft: float | None = None
    requests: int = 0
    chunks: int = 0
    sha256: str | None = None
    error: str | None = None

    def take(self, chunk: Chunk) -> None:
        """Add a chunk."""
        self.requests = chunk.request
        if chunk.text:
            self.chunks += 1
            self.text += chunk.text
            self.state = "typing"
            if self.ttft is None:
                self.ttft = time.monotonic() - self.started
        if chunk.done:
            self.state, self.sha256, self.error = chunk.done, chunk.sha256, chunk.error

    @property
    def digest(self) -> str:
        """SHA-256 of what was read."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def whole(self) -> bool:
        """Whether what was read is what the server wrote."""
        return self.sha256 == self.digest


async def race(links: dict[str, str], started: float, console: Console) -> list[Lane]:
    """Read `links` (transport to URL) all at once, showing it live; TTFT counts from `started` (monotonic)."""
    lanes = [Lane(name, started) for name in links]
    with Live(console=console, refresh_per_second=FRAMES_PER_SECOND, get_renderable=_picture(lanes, console)):
        await asyncio.gather(*(_run(lane, links[lane.name]) for lane in lanes))
    console.print(table(lanes))
    return lanes


def verdict(lanes: list[Lane]) -> str | None:
    """What is wrong, in a sentence; None when every lane read the same, whole text."""
    if broken := [f"{lane.name}: {lane.error}" for lane in lanes if lane.error]:
        return " ".join(broken)
    if wrong := [lane.name for lane in lanes if not lane.whole]:
        return f"Not the text that the server wrote: {', '.join(wrong)}."
    return None


def table(lanes: list[Lane]) -> Table:
    """The result: one row a lane."""
    result = Table(box=None, header_style="bold")
    for heading in ("transport", "end"):
        result.add_column(heading)
    for heading in ("TTFT ms", "requests", "chunks", "characters"):
        result.add_column(heading, justify="right")
    result.add_column("SHA-256", no_wrap=True)
    for lane in lanes:
        ttft = "-" if lane.ttft is None else f"{lane.ttft * 1000:.0f}"
        check = Text(f"{lane.digest[:8]} {'✓' if lane.whole else '✗'}", "green" if lane.whole else "red")
        numbers = (str(lane.requests), str(lane.chunks), str(len(lane.text)))
        result.add_row(lane.name, Text(lane.state, COLOURS[lane.state]), ttft, *numbers, check)
    return result


async def _run(lane: Lane, url: str) -> None:
    try:
        async with aclosing(CLIENTS[lane.name](url)) as chunks:
            async for chunk in chunks:
                lane.take(chunk)
    except (StreamError, Refused) as error:
        lane.state, lane.error = "failed", str(error)


def _picture(lanes: list[Lane], console: Console) -> Callable[[], RenderableType]:
    def picture() -> RenderableType:
        columns = max(1, min(3, console.width // 36))
        rows = -(-len(lanes) // columns)
        width, height = console.width // columns, max(4, min(9, (console.height - 1) // rows))
        return Columns([_panel(lane, width, height) for lane in lanes], padding=0, width=width)

    return picture


def _panel(lane: Lane, width: int, height: int) -> Panel:
    """The end of the text, so that a long answer scrolls, under one line of figures."""
    visible = Text(safe(lane.text)).wrap(Console(width=width), max(1, width - 4))[-(height - 3) :]
    ttft = "-" if lane.ttft is None else f"{lane.ttft * 1000:.0f} ms"
    colour = COLOURS[lane.state]
    figures = Text(f"{lane.state}  TTFT {ttft}  requests {lane.requests}", style=colour, no_wrap=True)
    return Panel(Group(figures, *visible), title=lane.name, border_style=colour, height=height, width=width)
