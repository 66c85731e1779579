"""Every "no" of this server is a Refusal: raised anywhere, rendered in one place (guard.py).

The one thing to notice: `detail` is written for the person who reads it, and says what to do next.
"""

from collections.abc import Mapping


def plain(name: str) -> str:
    """What somebody called something, short, and without half characters, which no response could carry."""
    return name[:40].encode(errors="backslashreplace").decode()


class Refusal(Exception):
    """A request that is answered with `status` and a problem document (RFC 9457)."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, defence: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.defence = defence
        """Which of DEFENCES said no, if it was one."""
