"""The attacks that are played in the teacher's own browser, and how; all others are run by the lab.

The one thing to notice: the stranger's pages are those of lab/security/origins, and the server that lacks a defence is
that of lab/security/weakened.py. Played here is what the experiment measures.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.security.experiment import changes
from lab.security.injections.markup import image
from lab.security.origins.reading import DECOYS, decoy
from lab.security.probes import PROBES
from lab.security.servers import Change

LINES = "Hello\r\revent: admin\rdata: {}\r\rand on."
"""An event, forged with the line end that even mended libraries forgot: a lone CR."""
SPACED = " {} has a space before it,\rand\r\nthree\nline ends"
CLOSED = "See: </script><img src=x onerror=parent.ran=/{}/.source> so."
QUOTED = "See: '+(parent.ran='{}')+' in C:\\new."

AS_IT_SHIPS = "all"
"""What may be chosen in the place of one defence: all of them."""


def suspected(canary: str) -> str:
    """The words that the page which runs an answer as a script has a variable for."""
    words = [canary, *(decoy() for _ in range(DECOYS))]
    random.shuffle(words)
    return ",".join(words)


@dataclass(frozen=True, slots=True)
class Play:
    """How one attack is played."""

    goal: str
    """What makes it a success: a stranger can `read` or `start`; a text can `forge`, `lose` or `run`."""
    text: str = ""
    """Of the victim's answer, if it matters; the canary stands in it."""
    order: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of that answer."""
    view: str = "own"
    """How the victim's page shows it: its `own` answer, its `events`, a `frame`, or the server's own `page`."""
    stranger: str = ""
    """The page of the stranger, out of lab/security/origins/pages; none where the text is the attack."""
    query: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """What that page is told beside whom to attack, by what the canary is."""
    clicked: bool = False
    """Whether it takes a click of the victim on the stranger's page."""
    bare: bool = False
    """Whether both servers leave out their content security policy, which would stop the attack as well."""


STARTS: Mapping[str, Callable[[str], str]] = {"text": lambda _canary: "x" * 120}

PLAYS: dict[str, Play] = {
    "websocket-hijacking": Play("read", stranger="read.html"),
    "cross-origin-read": Play("read", stranger="read.html"),
    "blind-start": Play("start", stranger="start.html", query=STARTS),
    "blind-handshake": Play("start", stranger="start.html", query=STARTS),
    "blind-post": Play("start", stranger="post.html", query=STARTS),
    "framing": Play("start", stranger="frame.html", clicked=True),
    "post-message": Play("read", stranger="listen.html"),
    "script-inclusion": Play("read", text="{}", stranger="include.html", query={"words": suspected}),
    "forged-event": Play("forge", text=LINES, view="events"),
    "lost-space": Play("lose", text=SPACED, view="events"),
    "script-break-out": Play("run", text=CLOSED, view="frame", bare=True),
    "string-break-out": Play("run", text=QUOTED, order={"format": "quoted"}, view="frame", bare=True),
    "inner-html": Play("run", text=image("{}", " "), order={"token_ms": 0}, view="page", bare=True),
    "inner-html-split": Play("run", text=image("{}", "\n"), order={"token_ms": 450}, view="page", bare=True),
}
"""By probe."""


def changed(probe: str, defence: str) -> dict[str, Change]:
    """How the two servers differ from the one that ships: as in the experiment, or the second not at all."""
    attack = PROBES[probe]
    if defence != AS_IT_SHIPS:
        return changes(attack, defence)
    return {"off": changes(attack, attack.defences[0])["off"], "on": Change()}


def script(probe: str, transport: str, canary: str, secret: str) -> dict[str, Any]:
    """All that the gallery's page has to know to play it. `secret` is what the victim's answer says else."""
    play = PLAYS[probe]
    text = (play.text or secret).replace("{}", canary)
    victim = {**play.order, "view": play.view, "transport": transport, "canary": canary, "text": text}
    stranger = {name: said(canary) for name, said in play.query.items()} | {"transport": transport}
    return {
        "goal": play.goal,
        "canary": canary,
        "victim": {name: str(value) for name, value in victim.items()},
        "stranger": play.stranger,
        "told": stranger,
        "clicked": play.clicked,
    }
