"""What is wrong with the network: one frozen set of switches, which means the same for every transport.

The one thing to notice: it is replaced as a whole. Whoever looks at it sees one network, never half of the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FIN, RST = "fin", "rst"
"""The two ends of a TCP connection: in order, and with no more ado (RFC 9293 §3.6 and §3.5.3)."""

MOST_MS = 60_000
MOST_BYTES = 2**40
MOST_COUNT = 10**9


def _switch(default: Any, meaning: str, most: float = 0, least: float = 0) -> Any:
    return field(default=default, metadata={"help": meaning, "most": most, "least": least})


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; as it stands here, nothing does. Raises ValueError, a sentence that names the wrong field.

    Bytes are those that come down from the server, over all connections, since these faults were set.
    """

    cut_after: int | None = _switch(
        None, "bytes down after which the connection that carries the last of them is cut, once", MOST_BYTES
    )
    cut_every: int | None = _switch(
        None, "cut again and again, at random: after so many bytes down on average, each as likely", MOST_BYTES, 1
    )
    cut: str = _switch(FIN, "how it is cut: fin (in order) or rst (reset)")
    split: bool = _switch(False, "send down single bytes, each written by itself")
    hold_bytes: int = _switch(0, "hold back what comes down until there are so many bytes; 0: do not", MOST_BYTES)
    hold_ms: float = _switch(0, "hold back what comes down for so long after the first byte; 0: do not", MOST_MS)
    hold_to_end: bool = _switch(False, "hold back what comes down until the response, or the connection, ends")
    delay_ms: float = _switch(0, "how long each byte is under way, both up and down", MOST_MS)
    rate_bytes_per_s: float = _switch(0, "how fast the one cable is that all bytes down share; 0: no limit", MOST_BYTES)
    blackhole: bool = _switch(False, "pass on nothing, not even the end of a connection")
    lose_response: int = _switch(0, "swallow the n-th response of each connection, then reset it; 0: none", MOST_COUNT)
    duplicate_request: int = _switch(
        0, "send the n-th request of each connection to the server twice; 0: none", MOST_COUNT
    )
    refuse: bool = _switch(False, "reset each new connection")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "cut":
                if value not in (FIN, RST):
                    raise ValueError(f"cut must be {FIN} or {RST}, not {_shown(value)}.")
            elif isinstance(each.default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{each.name} must be true or false, not {_shown(value)}.")
            elif value is not None or each.default is not None:
                _check_number(each.name, value, each.metadata, each.name in FRACTIONS)

    @property
    def holds(self) -> bool:
        """Whether bytes are held back to be sent down together."""
        return bool(self.hold_bytes or self.hold_ms or self.hold_to_end)


FRACTIONS = ("hold_ms", "delay_ms", "rate_bytes_per_s")
"""What need not be a whole number."""


def faults(given: Mapping[str, Any]) -> Faults:
    """The faults that are given by name; those left out are off. Raises ValueError, which names the field."""
    names = [each.name for each in fields(Faults)]
    if strange := sorted(given.keys() - set(names)):
        raise ValueError(f"There is no fault {strange[0][:40]!r}. There are {', '.join(names)}.")
    return Faults(**given)


def _check_number(name: str, value: Any, limits: Mapping[str, Any], fraction: bool) -> None:
    kinds, least, most = int | float if fraction else int, limits["least"], limits["most"]
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        kind = "a number" if fraction else "a whole number"
        raise ValueError(f"{name} must be {kind} from {least} to {most}, not {_shown(value)}.")


def _shown(value: Any) -> str:
    return repr(value)[:40]
