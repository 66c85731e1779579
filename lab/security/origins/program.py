"""Programs that use the server, honest ones and others: no browser, and no cookie but one that they were given.

The one thing to notice: nobody makes a program say where it comes from. Against it, only what it does not know helps.
"""

from contextlib import aclosing
from typing import NamedTuple

import aiohttp

from clients import CLIENTS
from clients.chunk import Refused, StreamError
from clients.connection import connecting
from lab.security.scene import Target


class Reading(NamedTuple):
    """What a program got that asked for an answer."""

    text: str
    refusal: str
    """What the server said instead."""


async def begin(target: Target, **headers: str) -> str:
    """Start an answer in which the secret stands; gives its id, which without a session is all it takes to read it."""
    order = {"text": f"The password is {target.canary}.", "unit": "word", "first_token_ms": 0, "token_ms": 0}
    async with (
        aiohttp.ClientSession(target.url, headers=headers, raise_for_status=True) as session,
        session.post("/answers", json=order) as response,
    ):
        return str((await response.json())["id"])


async def read_at(target: Target, transport: str, path: str, **headers: str) -> Reading:
    """Read at a path of the server under attack."""
    text = ""
    try:
        with connecting(headers=headers):
            async with aclosing(CLIENTS[transport](target.url + path)) as chunks:
                async for chunk in chunks:
                    text += chunk.text
    except (Refused, StreamError) as error:
        return Reading(text, str(error))
    return Reading(text, "")


async def new_session(target: Target) -> str:
    """A session of one's own, as the server gives it to whoever opens its page; gives the Cookie header."""
    jar = aiohttp.CookieJar(unsafe=True)  # which means: also from a host that is a number
    async with aiohttp.ClientSession(target.url, cookie_jar=jar, raise_for_status=True) as browser, browser.get("/"):
        return "; ".join(f"{cookie.key}={cookie.value}" for cookie in jar)
