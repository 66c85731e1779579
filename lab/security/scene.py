"""Where an attack takes place: the server under attack, the transport, and a browser for those who need one.

The one thing to notice: every address in here is loopback, and belongs to a process that this lab has started.
"""

from dataclasses import dataclass
from pathlib import Path

from lab.security.chromium import Chromium
from lab.subject import Subject


@dataclass(frozen=True, slots=True)
class Target:
    """The server under attack."""

    subject: Subject
    without: tuple[str, ...]
    """The defences that it lacks; none for the server as it ships."""
    canary: str
    """A random word that stands for the secret: an attack that has it has succeeded. Lower-case letters, for a text."""
    log: Path
    """What it wrote to standard error so far, its access log included."""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or https."""
        return self.subject.url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.subject.url.rpartition(":")[2])

    @property
    def site(self) -> str:
        """The same server as browsers of the victim know it: `http://localhost:PORT`."""
        return self.subject.url.replace("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Scene:
    """One attack on one transport."""

    target: Target
    transport: str
    chromium: Chromium
