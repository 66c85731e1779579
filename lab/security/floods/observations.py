"""What the library under the server does that no application can mend, or does unless it is told otherwise.

The one thing to notice: nothing here is taken from a manual. Each is tried on the running server, or asked of the
library that is installed, so a newer version tells something else.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from aiohttp import web

from lab.security.floods.answers import silent
from lab.security.floods.frames import CONTINUATION, PING, PONG, TEXT, frame
from lab.security.floods.upstream import HEAD_END, close_code, frames, handshake
from lab.security.floods.wire import SERVER, UPGRADE, Wire, request, wires
from lab.security.scene import Target

LIBRARY = "aiohttp"
FRAGMENTS = 1000
STOPPED = 1000
"""How the server closes when a reader has stopped the answer (RFC 6455 §7.4.1)."""

BROKEN = {
    "reserved bits": (frame(TEXT | 0x30), 1002),
    "an unknown opcode": (frame(0x3), 1002),
    "a ping of 126 bytes": (frame(PING, bytes(126)), 1002),
    "a continuation of nothing": (frame(CONTINUATION), 1002),
    "bad UTF-8": (frame(TEXT, b"\xff"), 1007),
}
"""Frames that are none, and the code that RFC 6455 §7.4.1 has for each."""

DEFAULTS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "head-deadline-default": (web.RequestHandler, "keepalive_timeout", "{:g} s for the head of a request"),
    "lingering-default": (web.RequestHandler, "lingering_time", "{:g} s for a body that nobody reads"),
    "message-size-default": (web.WebSocketResponse, "max_msg_size", "WebSocket messages of up to {:,} bytes"),
    "compression-default": (web.WebSocketResponse, "compress", "compression of WebSocket messages: {}"),
    "heartbeat-default": (web.WebSocketResponse, "heartbeat", "a heartbeat on WebSockets: {}"),
}
"""By id: whose parameter it is, and what it means."""


async def observe(target: Target) -> list[dict[str, Any]]:
    """What is seen: `id`, what it `says`, of which `library` in which `version`; `holds`, where it is a yes or no."""
    return [
        await unmasked_frames(target),
        await endless_fragments(target),
        await message_in_message(target),
        await old_versions(target),
        await broken_frames(target),
        await upgrade_required(target),
        *map(default, DEFAULTS),
    ]


def observation(name: str, holds: bool | None, says: str, library: str | None = LIBRARY) -> dict[str, Any]:
    """One of them."""
    return {"id": name, "holds": holds, "says": says, "library": library, "version": library and version(library)}


def default(name: str) -> dict[str, Any]:
    """What a parameter is when nobody sets it."""
    owner, parameter, words = DEFAULTS[name]
    value = inspect.signature(owner).parameters[parameter].default
    return observation(name, None, f"Unless told otherwise: {words.format(value)} (`{parameter}`).")


async def unmasked_frames(target: Target) -> dict[str, Any]:
    """RFC 6455 §5.1: a server must close the connection upon a frame that is not masked."""
    accepted = await _is_answered(target, frame(PING, b"?", masked=False))
    says = "is accepted, though RFC 6455 §5.1 forbids it" if accepted else "is refused"
    return observation("unmasked-frames", accepted, f"A client's frame without a mask {says}.")


async def endless_fragments(target: Target) -> dict[str, Any]:
    """Whether so many parts of one message are taken, all of them empty."""
    parts = frame(TEXT, end=False) + frame(CONTINUATION, end=False) * (FRAGMENTS - 1)
    taken = await _is_answered(target, parts + frame(PING, b"?"))
    says = f"{FRAGMENTS} empty parts of a message without end are {'' if taken else 'not '}taken."
    return observation("endless-fragments", taken, says)


async def message_in_message(target: Target) -> dict[str, Any]:
    """RFC 6455 §5.4: a message must be whole before the next begins."""
    async with opened(target) as wire:
        await wire.send(frame(TEXT, end=False) + frame(TEXT, b'{"stop":true}'))
        obeyed = await close_code(wire) == STOPPED
    says = (
        f"A message that begins within another, all of whose parts are empty, is {'obeyed' if obeyed else 'refused'}."
    )
    return observation("message-in-message", obeyed, says)


async def old_versions(target: Target) -> dict[str, Any]:
    """RFC 6455 §4.1: the version is 13; what came before were drafts."""
    accepted = [
        number
        for number in ("7", "8", "12", "14")
        if (await _head(target, {**UPGRADE, "Sec-WebSocket-Version": number})).startswith(b"HTTP/1.1 101 ")
    ]
    says = f"Versions of WebSocket that are taken beside 13: {', '.join(accepted) or 'none'}."
    return observation("old-versions", bool(accepted), says)


async def broken_frames(target: Target) -> dict[str, Any]:
    """With which code the connection is closed upon frames that are none."""
    codes = {}
    for name, (data, _) in BROKEN.items():
        async with opened(target) as wire:
            await wire.send(data)
            codes[name] = await close_code(wire)
    holds = codes == {name: code for name, (_, code) in BROKEN.items()}
    says = ", ".join(f"{name}: {code}" for name, code in codes.items())
    return observation("broken-frames", holds, f"Frames that are none close the connection ({says}).")


async def upgrade_required(target: Target) -> dict[str, Any]:
    """RFC 9110 §15.5.22: a request of the wrong kind is told which one is wanted."""
    head = (await _head(target, {})).decode(errors="replace")
    status, told = head.split(" ", 2)[1], "upgrade: websocket" in head.lower()
    says = f"A request that is no handshake gets {status}, and is {'' if told else 'not '}told to upgrade."
    return observation("upgrade-required", status == "426" and told, says, library=None)


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Wire]:
    """A WebSocket that is open, and on which nothing comes."""
    async with silent(target, "websocket") as link, wires(target, 1, source=SERVER) as [wire]:
        await handshake(wire, link)
        yield wire


async def _is_answered(target: Target, data: bytes) -> bool:
    """Whether the ping at the end gets its pong."""
    async with opened(target) as wire:
        await wire.send(data)
        await wire.read(lambda received: bool(frames(wire)))
        return any(each.opcode == PONG for each in frames(wire))


async def _head(target: Target, headers: dict[str, str]) -> bytes:
    """The head of the response to a request for an answer over WebSocket."""
    async with silent(target, "websocket") as link, wires(target, 1, source=SERVER) as [wire]:
        await wire.send(request(link, headers))
        await wire.read(lambda data: HEAD_END in data)
        return bytes(wire.received)
