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

    def __init__(self, renews: bool) -> None:
        self._key = secrets.token_bytes(32)
        self._renews = renews

    def owner_of(self, request: web.Request) -> str | None:
        """The session that the request belongs to; None for programs.

        A browser with a cookie that is ours no longer, as after a restart, gets a new session at once: else what it
        starts would be nobody's. Not so where a session has to be signed in to.
        """
        if "Cookie" not in request.headers or (cookie := request.cookies.get(_name(request))) is None:
            return None
        session, _, proof = cookie.partition(".")
        if session and hmac.compare_digest(_bytes(proof), _bytes(self._proof(session))):
            return session
        return request.setdefault(RENEWED, secrets.token_urlsafe(16)) if self._renews else None

    def begin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give the browser a session, unless it has one."""
        if not self.owner_of(request):
            self.give(request, response, secrets.token_urlsafe(16))

    def give(self, request: web.Request, response: web.StreamResponse, session: str) -> None:
        """Put its cookie into the response."""
        response.set_cookie(
            _name(request),
            f"{session}.{self._proof(session)}",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )

    def _proof(self, session: str) -> str:
        mac = hmac.digest(self._key, _bytes(session), hashlib.sha256)[:MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=").decode()


def _name(request: web.Request) -> str:
    """The cookie's name. Cookies are shared by all ports of a host, so each server needs a name of its own.

    `__Host-` makes browsers refuse it from anybody but this very host by https (RFC 6265bis §4.1.3.2).
    """
    address = request.transport.get_extra_info("sockname") if request.transport else None
    return f"{'__Host-' if request.secure else ''}pushlab-{address[1] if address else 0}"


def _bytes(text: str) -> bytes:
    """Whatever a header may hold: what is no UTF-8 there is half characters here."""
    return text.encode(errors="backslashreplace")


async def renew(request: web.Request, response: web.StreamResponse) -> None:
    """Put a session that was begun anew into the response."""
    if "Cookie" in request.headers and (session := request.get(RENEWED)):
        request.app[SESSIONS].give(request, response, session)
        response.headers.add("Set-Cookie", response.cookies[_name(request)].OutputString())  # too late for cookies


RENEWED = web.RequestKey("renewed", str)
SESSIONS = web.AppKey("sessions", Sessions)
