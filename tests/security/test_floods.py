"""Load attacks: the frames and figures are pure; and some of the attacks, on servers with the defence and without it.

The one thing to notice: `websockets` reads the frames that are written here by hand, and writes those that are read.
"""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from lab.security.chromium import Chromium
from lab.security.floods import PROBES
from lab.security.floods.answers import silent
from lab.security.floods.frames import CLOSE, CONTINUATION, PING, TEXT, Frame, frame, mask, parsed
from lab.security.floods.gauges import health, peak_bytes
from lab.security.floods.honest import honest, lateness_ms
from lab.security.floods.memory import BOMB, bomb
from lab.security.floods.observations import observe
from lab.security.floods.storm import largest_share
from lab.security.floods.wire import MOST, SERVER, UPGRADE, asking, check_loopback, request, wires
from lab.security.scene import Scene, Target
from lab.subject import serving
from server.settings import Settings
from server.transports import TRANSPORTS

SHORT = st.binary(max_size=125)  # the most that a control frame may have (RFC 6455 §5.5)
PAYLOADS = SHORT | st.integers(126, 70_000).map(bytes)
FRAMES = st.tuples(st.sampled_from([CONTINUATION, TEXT]), PAYLOADS) | st.tuples(st.just(PING), SHORT)


# Frames.


@pytest.mark.parametrize(
    ("ours", "known"),
    [
        (frame(TEXT, b"Hello"), "8185 37fa213d 7f9f4d5158"),
        (frame(TEXT, b"Hello", masked=False), "8105 48656c6c6f"),
        (frame(TEXT, b"Hel", end=False, masked=False), "0103 48656c"),
        (frame(CONTINUATION, b"lo", masked=False), "8002 6c6f"),
        (frame(PING, b"Hello", masked=False), "8905 48656c6c6f"),
        (frame(0x2, bytes(256), masked=False), "827e0100" + "00" * 256),
        (frame(0x2, bytes(65536), masked=False), "827f0000000000010000" + "00" * 65536),
    ],
    ids=["masked", "not masked", "first part", "last part", "ping", "256 bytes", "64 KiB"],
)
def test_frames_are_those_that_the_standard_shows(ours: bytes, known: str) -> None:
    assert ours == bytes.fromhex(known)  # RFC 6455 §5.7


def test_a_frame_may_tell_a_length_that_nothing_follows() -> None:
    assert frame(TEXT, size=1 << 40) == bytes.fromhex("81ff 0000010000000000 37fa213d")


def test_a_compressed_frame_has_the_bit_that_says_so() -> None:
    assert frame(TEXT, b"", rsv1=True, masked=False) == b"\xc1\x00"  # RFC 7692 §6


@given(FRAMES, st.booleans(), st.booleans())
def test_another_implementation_reads_the_same(one: tuple[int, bytes], end: bool, masked: bool) -> None:
    opcode, payload = one
    end = end or opcode == PING  # control frames come whole
    assert theirs(frame(opcode, payload, end=end, masked=masked), masked) == TheirFrame(Opcode(opcode), payload, end)


def theirs(data: bytes, masked: bool) -> TheirFrame:
    """What `websockets` makes of it."""
    reader = StreamReader()
    reader.feed_data(data)
    reading = TheirFrame.parse(reader.read_exact, mask=masked)
    with pytest.raises(StopIteration) as stop:
        next(reading)
    found = stop.value.value
    assert isinstance(found, TheirFrame)
    return found


@given(st.binary(max_size=1000))
def test_masking_twice_gives_the_payload_back(payload: bytes) -> None:
    assert mask(mask(payload)) == payload
    assert all(masked != plain for masked, plain in zip(mask(payload), payload, strict=True))  # no byte of the key is 0


@given(st.lists(FRAMES, max_size=4), st.data())
def test_what_a_server_sends_is_read_as_far_as_it_is_whole(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    each = [TheirFrame(Opcode(opcode), payload).serialize(mask=False) for opcode, payload in sent]
    cut = data.draw(st.integers(0, sum(map(len, each))))
    whole = [end <= cut for end in accumulate(map(len, each))].count(True)
    assert parsed(b"".join(each)[:cut]) == [Frame(*one) for one in sent[:whole]]


def test_a_close_tells_why() -> None:
    assert Frame(CLOSE, b"\x03\xf1too big").code == 1009
    assert Frame(CLOSE, b"").code is None
    assert Frame(TEXT, b"\x03\xf1").code is None


def test_the_bomb_is_a_stop_and_nothing_else_when_it_is_inflated() -> None:
    packed = bomb()
    inflated = zlib.decompressobj(wbits=-15).decompress(packed + b"\x00\x00\xff\xff")
    assert len(inflated) > BOMB > 500 * len(packed)
    assert json.loads(inflated) == {"stop": True}


# Requests.


def test_a_request_ends_its_head_and_a_handshake_has_what_it_takes() -> None:
    assert request("http://127.0.0.1:1/a?b=c") == b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert asking("http://127.0.0.1:1/a", "sse") == request("http://127.0.0.1:1/a")
    assert asking("http://127.0.0.1:1/a", "websocket") == request("http://127.0.0.1:1/a", UPGRADE)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "0.0.0.0", "2001:db8::1"])  # noqa: S104 - refused
def test_nothing_is_sent_to_another_machine(address: str) -> None:
    with pytest.raises(ValueError, match="attacks stay on this machine"):
        check_loopback(address)


# Figures.


def test_a_token_is_late_from_when_it_was_due_and_at_the_end_from_when_the_last_was() -> None:
    due_ms, received_s = [1000.0, 1030.0], [1.002, 1.040]
    assert lateness_ms(due_ms, received_s, at_end=False) == pytest.approx([2.0, 10.0])
    assert lateness_ms(due_ms, [1.040, 1.040], at_end=True) == pytest.approx([10.0, 10.0])


def test_the_largest_share_is_that_of_the_fullest_slice() -> None:
    assert largest_share([0, 10, 50, 200, 400], slice_ms=50) == 0.6
    assert largest_share([], slice_ms=50) == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0, 1e6))
def test_a_share_is_at_least_one_of_all_and_all_only_within_the_slice(times: Sequence[float], slice_ms: float) -> None:
    share = largest_share(times, slice_ms)
    assert 1 / len(times) <= share <= 1
    assert (share == 1) == (max(times) <= min(times) + slice_ms)


# On running servers.


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A server as it ships, that keeps one answer only."""
    async with serving(replace(Settings(), max_answers=1)) as subject:
        yield Target(subject, (), "canary", Path())


async def test_an_honest_reader_has_all_when_nobody_attacks(target: Target, name: str) -> None:
    async with Chromium() as chromium, honest(Scene(target, name, chromium)) as seen:
        assert seen == {}
    assert seen["honest_whole"] == 1
    assert 0 < seen["honest_p50_ms"] <= seen["honest_p99_ms"]


async def test_an_honest_reader_that_is_refused_says_so(target: Target) -> None:
    async with silent(target, "sse"), Chromium() as chromium, honest(Scene(target, "sse", chromium)) as seen:
        pass
    assert seen["honest_whole"] == 0


async def test_an_attacker_has_no_more_connections_than_it_may(target: Target) -> None:
    with pytest.raises(ValueError, match="901 connections"):
        async with wires(target, MOST + 1):
            pass


async def test_a_wire_takes_what_comes_and_sees_the_end(target: Target) -> None:
    asked = request(f"{target.url}/healthz", {"Connection": "close"})
    async with wires(target, 2, source=SERVER) as [asking, silent_one]:
        assert await asking.send(asked)
        assert not await asking.read(lambda data: b"never" in data)
        assert asking.received.startswith(b"HTTP/1.1 200 ")
        assert not asking.open
        assert silent_one.look()
        assert silent_one.received == b""


async def test_the_gauges_tell_what_there_is(target: Target) -> None:
    async with silent(target, "sse") as link, wires(target, 1, source=SERVER) as [wire]:
        await wire.send(asking(link, "sse"))
        assert await wire.read(lambda data: b"\n\n" in data)
        assert await health(target) == {"typing": 1, "readers": 1}
    assert peak_bytes(target.subject) >= target.subject.memory_bytes() / 2 > 0


async def test_what_the_library_does_is_seen_on_the_server_and_told_with_its_version(target: Target) -> None:
    found = {one["id"]: one for one in await observe(target)}
    assert {one["library"]: bool(one["version"]) for one in found.values()} == {"aiohttp": True, None: False}
    assert all(one["says"].endswith(".") for one in found.values())
    assert found["upgrade-required"]["holds"]
    assert found["broken-frames"]["holds"]


def test_every_transport_is_tried_or_spared_with_a_reason() -> None:
    for probe in PROBES.values():
        assert set(probe.spares) < set(TRANSPORTS)
        assert probe.alone, f"{probe.name} measures load"
