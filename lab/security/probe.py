"""A probe: one attack, run on one transport against a server with a defence taken away, and against one that has it.

The one thing to notice: an attack does not know which of the two it meets. It does what it does and tells what it saw.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.security.scene import Scene
from server.transports import TRANSPORTS

SUCCEEDED, STOPPED, NOT_APPLICABLE, COULD_NOT_RUN = "succeeded", "stopped", "not applicable", "could not run"
OUTCOMES = (SUCCEEDED, STOPPED, NOT_APPLICABLE, COULD_NOT_RUN)
"""All that can be said of an attack. There is no "secure" among them: another attack may succeed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attack."""

    succeeded: bool
    says: str
    """What happened, in a sentence, with its figures."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name with its unit; the same names whether it succeeded or not."""
    evidence: Any = None
    """What there is to show for it: records, headers, events. JSON, and small."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What is no JSON, by file name: screenshots, captured records."""


Attack = Callable[[Scene], Awaitable[Outcome]]
"""Raises CouldNotRun (lab/limits.py) when this machine lacks what it takes."""


def only(*transports: str, why: str) -> dict[str, str]:
    """What spares all transports but these, for one reason; one that is added later is spared, too."""
    return dict.fromkeys((name for name in TRANSPORTS if name not in transports), why)


@dataclass(frozen=True, slots=True)
class Probe:
    """An attack, what should stop it, and what a reader should learn from it."""

    name: str
    does: str
    """What the attacker does and gets, in a sentence or two."""
    why: str
    """Why that works without the defence."""
    attack: Attack
    defences: tuple[str, ...]
    """Ids of DEFENCES. Each is judged alone, the others being off; the first is the one meant against this attack."""
    spares: Mapping[str, str] = field(default_factory=dict)
    """The transports that have no such surface, each with the reason."""
    besides: tuple[str, ...] = ()
    """Further defences that are taken away in both runs, since they would stop the attack as well."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the server in both runs: deadlines of seconds, so that nobody waits for minutes."""
    own_server: bool = False
    """Whether no other attack may meet its server: it counts what that one does."""
    alone: bool = False
    """Whether it needs the machine for itself, and so a server: it measures load."""
    tls: bool = False
    """Whether the server speaks TLS in both runs."""
    claims: tuple[str, ...] = ()
    """The article's claims that it bears on."""
    remains: str = ""
    """What the defence does not stop, as a sentence."""
