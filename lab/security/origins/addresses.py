"""Attacks on what stands in addresses: they are written into logs, and told to the next site.

The one thing to notice: the honest reader has done nothing wrong, and is long gone. What it has left behind is enough.
"""

import re
from functools import partial
from typing import TYPE_CHECKING

import aiohttp

from lab.limits import Failure
from lab.security.origins.attacker import NAMES, attacking
from lab.security.origins.finding import circumstances
from lab.security.origins.program import Reading, begin, read_at
from lab.security.origins.strangers import AUTHORIZED
from lab.security.origins.victim import WINDOW
from lab.security.origins.watch import until
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

if TYPE_CHECKING:
    from pathlib import Path

READ = re.compile(r'"GET (/answers/[^/]+/(\w+)\?\S+)" (?:200|101) ')
"""A reading that was served, in a line of the access log: its address, and in it the transport."""

ANSWER = re.compile(r"/answers/([^/?]+)")

FOLLOW = """([url, policy]) => {
  const link = document.createElement('a');
  link.href = url;
  link.referrerPolicy = policy;
  document.body.append(link);
  link.click();
}"""
"""A link in the page, and a click on it."""

BY_DEFAULT = "strict-origin-when-cross-origin"
"""What a browser does of its own where nobody tells it (Referrer Policy §3.1)."""


async def look(scene: Scene) -> Outcome:
    """Who can read the log takes the ids of answers out of it."""
    target = scene.target
    log = Log(target, scene.transport)
    answer = await begin(target)
    await honestly(target, scene.transport, f"/answers/{answer}/{scene.transport}")
    lines = await log.readings()
    ids = list(dict.fromkeys(ANSWER.findall(" ".join(lines))))
    readings = {each: await read_at(target, scene.transport, f"/answers/{each}/{scene.transport}") for each in ids}
    read = [each for each, reading in readings.items() if target.canary in reading.text]
    return Outcome(
        succeeded=bool(read),
        says=f"What the log shows of the answer's id {'opened' if read else 'did not open'} it.",
        figures={"ids_in_log": len(ids), "ids_that_open": len(read)},
        evidence={"log": lines[:8], **{each: reading._asdict() for each, reading in readings.items()}},
    )


async def again(scene: Scene) -> Outcome:
    """Who can read the log sends the address of a reading once more, as it stands there."""
    target = scene.target
    log = Log(target, scene.transport)
    answer = await begin(target, **AUTHORIZED)
    permission = await permitted(target, answer, scene.transport)
    await honestly(target, scene.transport, f"/answers/{answer}/{scene.transport}?{permission}")
    lines = await log.readings()
    addresses = list(dict.fromkeys(found[1] for line in lines if (found := READ.search(line))))
    readings = {address: await read_at(target, scene.transport, address) for address in addresses}
    read = [address for address, reading in readings.items() if target.canary in reading.text]
    kind = permission.partition("=")[0]
    return Outcome(
        succeeded=bool(read),
        says=f"The reader's address held a {kind}; sent again as it stands in the log, it was "
        f"{'served once more' if read else 'refused'}.",
        figures={"addresses_in_log": len(addresses), "addresses_that_work_again": len(read)},
        evidence={"log": lines[:8], **{address: reading._asdict() for address, reading in readings.items()}},
    )


async def permitted(target: Target, answer: str, transport: str) -> str:
    """What a client that can send no header puts into the address: a ticket, or its token where there are none."""
    order = {"answer": answer, "transport": transport}
    async with (
        aiohttp.ClientSession(target.url, headers=AUTHORIZED) as session,
        session.post("/tickets", json=order) as response,
    ):
        if response.status == 201:
            return f"ticket={(await response.json())['ticket']}"
    return f"token={AUTHORIZED['Authorization'].partition(' ')[2]}"


async def honestly(target: Target, transport: str, path: str) -> None:
    """Read as who may. Raises Failure when that does not work: then nothing else would show anything."""
    reading = await read_at(target, transport, path)
    if target.canary not in reading.text:
        raise Failure(f"The honest reader could not read: {reading.refusal}")


class Log:
    """What the server's access log says from now on about readings over one transport."""

    def __init__(self, target: Target, transport: str) -> None:
        self._path: Path = target.log
        self._start = self._path.stat().st_size
        self._transport = transport

    async def readings(self) -> list[str]:
        """Its lines, as soon as there is one."""
        await until(lambda: bool(self._lines()), "The server wrote no line about the reading")
        return self._lines()

    def _lines(self) -> list[str]:
        text = self._path.read_bytes()[self._start :].decode(errors="replace")
        return [line for line in text.splitlines() if (found := READ.search(line)) and found[2] == self._transport]


async def leave(scene: Scene) -> Outcome:
    """A person leaves a page of ours by a link to the attacker, who takes the address that they come from."""
    target = scene.target
    answer = await begin(target)
    async with attacking() as attacker, scene.chromium.context(viewport=WINDOW) as context:
        landing = f"{attacker.origin(NAMES['another site'])}/landing"
        for visits, policy in enumerate(("", BY_DEFAULT), 1):
            page = await context.new_page()
            await page.goto(f"{target.site}/answers/{answer}/{scene.transport}")
            await page.evaluate(FOLLOW, [landing, policy])
            await until(partial(attacker.visited, visits), "Nobody came to the attacker by the link")
    told, by_default = attacker.referers
    reading = Reading("", "")
    if known := ANSWER.search(told):
        reading = await read_at(target, scene.transport, known[0] + f"/{scene.transport}")
    read = target.canary in reading.text
    return Outcome(
        succeeded=read,
        says=f"The attacker was told {told or 'no address'}, and {'read' if read else 'did not read'} the answer; "
        f"a browser that no server tells otherwise tells {by_default}.",
        figures={"characters_told": len(told), "characters_told_by_default": len(by_default)},
        evidence={"referer": told, "referer by default": by_default, **reading._asdict(), **await circumstances(scene)},
    )
