"""What a text can do to an event stream: forge an event, an id or a pause, or simply lose characters.

The one thing to notice: a line ends at LF, at CRLF and at a lone CR (WHATWG HTML 9.2.5). Who escapes the first two has
escaped nothing.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from lab.relay import relaying
from lab.security.injections.cuts import Cuts
from lab.security.injections.victim import asked, tab, written
from lab.security.probe import Outcome
from lab.security.scene import Scene
from server.answer import READ_LIMIT

if TYPE_CHECKING:
    from playwright.async_api import Page

LISTEN = """
(url) => {
  window.heard = [];
  window.source = new EventSource(url);
  const note = ({ type, data, lastEventId }) => window.heard.push({ type, data, id: lastEventId });
  window.over = new Promise((resolve) => {
    for (const type of ['message', 'end', 'admin']) source.addEventListener(type, note);
    source.addEventListener('end', resolve);
    source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) resolve(); });
  });
}
"""
"""Reads with the browser's own decoder, and goes on until the end, as a forgotten tab does."""

TO_THE_END = "async () => { await window.over; window.source.close(); return window.heard; }"
CLOSE = "() => window.source.close()"
RAW = "async (url) => (await fetch(url)).text()"

SHOWN = 2000
"""Characters of a stream that are kept as evidence."""

WINDOW_S = 2.0
STORM = 100
"""After so many cuts the network is well again."""
CALM = 10
"""More requests in WINDOW_S are a storm: with the server's own `retry` there is time for two or three."""

LENGTH, COUNT = 100, 190
"""Characters of a sentence, and how many there are: more than one chunk holds, so that there is a place for the cut."""
AHEAD = READ_LIMIT // LENGTH + 10
"""The forged id: some sentences after the end of the first chunk."""
CUT = AHEAD - 5
"""The sentence of the second chunk in which the connection breaks."""

Event = Mapping[str, str]


def text_of(events: Iterable[Event]) -> str:
    """The text of the events that a reader knows, whether they hold JSON or the bare text."""
    return "".join(_text(event["data"], event["type"]) for event in events if event["type"] in ("message", "end"))


def _text(data: str, kind: str) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(data)["text"])
    return data if kind == "message" else ""


async def forged_event(scene: Scene) -> Outcome:
    """A text with a line end, a field and a blank line: an event that the server never sent."""
    canary = scene.target.canary
    heard, forged = {}, {}
    async with tab(scene) as page:
        for name, line_end in (("lf", "\n"), ("cr", "\r")):
            text = line_end.join(("Hello", "", "event: admin", f"data: {canary}", "", "bye"))
            heard[name] = await _read(page, await written(page, text=text), text)
            forged[name] = [event for event in heard[name]["events"] if event["type"] == "admin"]
    figures = {f"forged_by_{name}": len(events) for name, events in forged.items()}
    intact = int(all(each["intact"] for each in heard.values()))
    says = (
        f"The page got {figures['forged_by_lf']} forged `admin` event by LF and {figures['forged_by_cr']} by a lone CR"
        f"; the text {_arrived(intact)}."
    )
    succeeded = any(event["data"] == canary for events in forged.values() for event in events)
    return Outcome(succeeded, says, figures | {"text_intact": intact}, heard)


async def lost_space(scene: Scene) -> Outcome:
    """No attacker at all: a text with a leading space and three kinds of line ends, compared with what arrives."""
    text = f" {scene.target.canary} has a space before it,\rand\r\nthree\nline ends"
    async with tab(scene) as page:
        heard = await _read(page, await written(page, text=text), text)
    arrived = heard["text"]
    figures = {
        "spaces_lost": text.count(" ") - arrived.count(" "),
        "returns_lost": text.count("\r") - arrived.count("\r"),
        "text_intact": heard["intact"],
    }
    says = (
        f"Of {len(text)} characters {len(arrived)} arrived, {figures['spaces_lost']} spaces and "
        f"{figures['returns_lost']} carriage returns fewer; the text {_arrived(heard['intact'])}."
    )
    return Outcome(not heard["intact"], says, figures, {**heard, "source": text})


async def forged_id(scene: Scene) -> Outcome:
    """A text that sets the id of its event ahead; then the connection breaks, and the browser resumes from there."""
    sentences = [f"{_number(n)}。" for n in range(2, COUNT + 1)]
    text = "".join((f"{scene.target.canary}\rid: {AHEAD}\rdata: and on。", *sentences))
    cuts = Cuts(_number(CUT).encode(), left=1)
    async with _behind(scene, cuts) as page:
        heard = await _read(page, await written(page, text=text, unit="sentence"), text)
    lost = sum(sentence not in heard["text"] for sentence in sentences)
    figures = {"sentences_skipped": lost, "text_intact": heard["intact"]}
    says = (
        f"After a cut the browser resumed from its last event id; {lost} of {COUNT} sentences never came, "
        f"and the text {_arrived(heard['intact'])}."
    )
    ids = [(event["id"], event["data"][:80]) for event in heard["events"]]
    return Outcome(lost > 0, says, figures, {"ids and the beginning of their data": ids})


async def retry_storm(scene: Scene) -> Outcome:
    """A text that sets the pause before reconnecting to 1 ms, and a network that breaks each stream behind it."""
    text = f"Hello\rretry: 1\rdata: {scene.target.canary} and on."
    cuts = Cuts(scene.target.canary.encode(), left=STORM)
    async with _behind(scene, cuts) as page:
        links = await written(page, text=text)
        began = time.monotonic()
        await asked(page, LISTEN, links["sse"])
        with suppress(TimeoutError):
            async with asyncio.timeout(WINDOW_S):
                await cuts.none_left.wait()
        requests, seconds, cuts.left = cuts.streams, round(time.monotonic() - began, 2), 0
        await asked(page, CLOSE)
        heard = await _read(page, links, text)
    figures = {"requests": requests, "seconds": seconds, "text_intact": heard["intact"]}
    says = (
        f"While the network broke each stream, one tab asked {requests} times in {seconds:.1f} s; "
        f"after that the text {_arrived(heard['intact'])}."
    )
    return Outcome(requests > CALM, says, figures, heard)


@asynccontextmanager
async def _behind(scene: Scene, cuts: Cuts) -> AsyncIterator["Page"]:
    """A tab that reaches the server through a network with these cuts."""
    async with (
        relaying(scene.target.port, cuts.changing) as relay,
        tab(scene, relay.through(scene.target.site)) as page,
    ):
        yield page


async def _read(page: "Page", links: Mapping[str, str], text: str) -> dict[str, Any]:
    """Read an answer to its end, compare it with its text, and keep what crossed."""
    await asked(page, LISTEN, links["sse"])
    events = await asked(page, TO_THE_END)
    stream = await asked(page, RAW, links["sse"])
    arrived = text_of(events)
    intact = int(arrived == text)
    return {"events": events, "text": arrived, "intact": intact, "stream": stream[:SHOWN]}


def _number(sentence: int) -> str:
    return f"{sentence:0{LENGTH - 1}}"


def _arrived(intact: int) -> str:
    return "arrived intact" if intact else "did not arrive intact"
