"""What a tab asks of the server under attack, and what comes back: headers, statuses, complaints of the browser.

The one thing to notice: these are the headers that left the browser. A script of the page could not read all of them,
and could forge none of these.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lab.limits import Failure

if TYPE_CHECKING:
    from playwright.async_api import Page

TOLD = ("host", "origin", "cookie", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
"""The headers by which a server could know who asks."""

ITS_OWN = ("/attack/", "/favicon")
"""What belongs to the attack page itself, also where it is of the same origin as the server."""

REFUSED = re.compile(r"Unexpected response code: (\d+)")
"""How the browser tells that a server has refused a WebSocket."""

LONGEST_S = 20
"""What has not happened after this never will."""

NEWS_S = 1
"""The browser tells us of a request a little after the page knows how it went; by then it has."""


@dataclass(slots=True)
class Asked:
    """A request, and what became of it."""

    what: str = ""
    """Method and path; empty for a request to others, and while only its headers are known."""
    headers: dict[str, str] | None = None
    """Those of TOLD that it had; of a cookie the name only."""
    status: str = ""
    """What came back; empty while nothing has."""
    failure: str = ""
    """Why the page was given nothing of it, or why nothing came."""

    @property
    def outcome(self) -> str:
        """Both, in words."""
        return ", ".join(filter(None, (self.status, self.failure and f"not given to the page: {self.failure}")))


class Watch:
    """Looks on while a tab is open, by the browser's debugging protocol (Chrome DevTools Protocol, domain Network).

    What it tells of one request comes in any order: the headers before the request, a failure before the status.
    """

    def __init__(self, page: "Page", port: int) -> None:
        self.console: list[str] = []
        self._page, self._port = page, port
        self._seen: defaultdict[str, Asked] = defaultdict(Asked)
        page.on("console", lambda message: self.console.append(message.text))

    async def start(self) -> "Watch":
        """Look on from now on."""
        debugger = await self._page.context.new_cdp_session(self._page)
        debugger.on("Network.requestWillBeSent", self._request)
        debugger.on("Network.requestWillBeSentExtraInfo", lambda event: self._sent(event, event["headers"]))
        debugger.on("Network.responseReceivedExtraInfo", lambda event: self._came(event, event["statusCode"]))
        debugger.on("Network.loadingFailed", lambda event: self._failed(event, why(event)))
        # Of the cookie of a handshake it does not tell, nor the status of a refusal but in words.
        debugger.on("Network.webSocketCreated", self._socket)
        debugger.on("Network.webSocketWillSendHandshakeRequest", self._handshake)
        debugger.on("Network.webSocketHandshakeResponseReceived", self._shaken)
        debugger.on("Network.webSocketFrameError", self._refused)
        await debugger.send("Network.enable")
        return self

    def asked(self) -> list[Asked]:
        """The requests to the server so far."""
        return [asked for asked in self._seen.values() if asked.what]

    def sent(self) -> bool:
        """Whether there was a request of which the headers are known; what is in the browser's cache has none."""
        return any(each.headers is not None for each in self.asked())

    def ended(self) -> bool:
        """Whether there was a request, and all of them are answered, or have failed."""
        return bool(asked := self.asked()) and all(each.outcome for each in asked)

    def known(self) -> bool:
        """Whether all is known of all of them."""
        return self.sent() and all(each.status for each in self.asked())

    def refused(self) -> bool:
        """Whether the server has refused one of them."""
        return any(each.status.startswith("4") for each in self.asked())

    async def settled(self, state: Callable[[], bool]) -> None:
        """Return when that is so, or when it is not to be expected any more."""
        with suppress(Failure):
            await until(state, "There was no news", NEWS_S)

    def _request(self, event: dict[str, Any]) -> None:
        self._add(event, event["request"]["method"], event["request"]["url"])

    def _socket(self, event: dict[str, Any]) -> None:
        self._add(event, "GET", event["url"], " (WebSocket)")

    def _handshake(self, event: dict[str, Any]) -> None:
        self._sent(event, event["request"]["headers"])

    def _shaken(self, event: dict[str, Any]) -> None:
        self._came(event, event["response"]["status"])

    def _refused(self, event: dict[str, Any]) -> None:
        if status := REFUSED.search(event["errorMessage"]):
            self._came(event, status[1])
        self._failed(event, event["errorMessage"])

    def _add(self, event: dict[str, Any], method: str, url: str, kind: str = "") -> None:
        parts = urlsplit(url)
        if parts.port == self._port and not parts.path.startswith(ITS_OWN):
            path = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
            self._seen[event["requestId"]].what = f"{method} {path}{kind}"

    def _sent(self, event: dict[str, Any], headers: dict[str, str]) -> None:
        told = {name.lower(): value for name, value in headers.items() if name.lower() in TOLD}
        if "cookie" in told:
            told["cookie"] = ", ".join(pair.partition("=")[0].strip() for pair in told["cookie"].split(";"))
        self._seen[event["requestId"]].headers = told

    def _came(self, event: dict[str, Any], status: object) -> None:
        self._seen[event["requestId"]].status = str(status)

    def _failed(self, event: dict[str, Any], failure: str) -> None:
        self._seen[event["requestId"]].failure = failure


def why(event: dict[str, Any]) -> str:
    """What the browser says about a request that has failed for the page."""
    reasons = (event.get("corsErrorStatus", {}).get("corsError"), event.get("blockedReason"), event["errorText"])
    return str(next(reason for reason in reasons if reason not in (None, "other")))


async def until(happened: Callable[[], bool], otherwise: str, seconds: float = LONGEST_S) -> None:
    """Return as soon as it has happened. Raises Failure, which says `otherwise`, when it never does."""
    try:
        async with asyncio.timeout(seconds):
            while not happened():  # noqa: ASYNC110 - what happens is in the browser
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise Failure(f"{otherwise} within {seconds} seconds.") from None
