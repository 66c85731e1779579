"""Whose browser this is: a cookie that answers are bound to.

The one thing to notice: the cookie says who may read what was started with it. It does not say that a page may ask:
browsers send it with every request to this host, on any port, so only the guard's checks keep foreign pages out.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

from aiohttp import web

MAC_BYTES = 16


class Sessions:
    """Sessions of this process. There is no list of them: a cookie carries the proof that we made it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def owner_of(self, request: web.Request) -> str | None:
        """The session that the request belongs to; None for programs, and for cookies that are not ours."""
        session, _, proof = request.cookies.get(_name(request), "").partition(".")
        return session if session and hmac.compare_digest(proof.encode(), self._proof(session).encode()) else None

    def begin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give the browser a session, unless it has one."""
        if self.owner_of(request):
            return
        session = secrets.token_urlsafe(16)
        response.set_cookie(
            _name(request),
            f"{session}.{self._proof(session)}",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )

    def _proof(self, session: str) -> str:
        mac = hmac.digest(self._key, session.encode(), hashlib.sha256)[:MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=").decode()


def _name(request: web.Request) -> str:
    """The cookie's name. Cookies are shared by all ports of a host, so each server needs a name of its own.

    `__Host-` makes browsers refuse it from anybody but this very host by https (RFC 6265bis §4.1.3.2).
    """
    address = request.transport.get_extra_info("sockname") if request.transport else None
    return f"{'__Host-' if request.secure else ''}pushlab-{address[1] if address else 0}"


SESSIONS = web.AppKey("sessions", Sessions)
