"""How requests are sent: whom they trust, and what they carry along.

The one thing to notice: it is said once, around a whole piece of work, and every client inside keeps to it. So no
client has parameters that only a measurement or a private certificate needs.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Connection:
    """What all requests have in common."""

    trust: ssl.SSLContext | None = None
    """Certificates to believe; those of the system, when there is none."""
    headers: Mapping[str, str] = field(default_factory=dict)


CONNECTION: ContextVar[Connection] = ContextVar("connection", default=Connection())  # noqa: B039 - frozen


@contextmanager
def connecting(cafile: Path | None = None, headers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Inside the block every request trusts the certificates in `cafile` (PEM) and sends `headers`."""
    trust = ssl.create_default_context(cafile=cafile) if cafile else None
    token = CONNECTION.set(Connection(trust, headers or {}))
    try:
        yield
    finally:
        CONNECTION.reset(token)
