"""The bad network: what each fault does to bytes, without a network, and then to each transport on real sockets."""

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import CLIENTS
from clients.chunk import Client, StreamError
from lab.command_line import main
from lab.relay import DOWN, FIN, RST, Faults, Relay, relaying
from lab.relay.cable import Again, Cable, Cut, End, Step, Wait
from lab.relay.control import controlling
from lab.relay.faults import faults
from lab.relay.messages import Messages
from lab.relay.way import MOST_HELD, Down, Up
from tests.conftest import Start

ROOT = Path(__file__).parent.parent
TEXT = "What crosses 世界 comes out 😀."
LATER = 10_000.0

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nhello\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
RECORD = b"\x16\x03\x03\x00\x02ab"


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`data`, cut into these sizes, again and again."""
    at = turn = 0
    while at < len(data):
        yield data[at : at + sizes[turn % len(sizes)]]
        at, turn = at + sizes[turn % len(sizes)], turn + 1


splits = st.lists(st.integers(1, 40), min_size=1, max_size=8)


# What may be said of faults.


def test_without_faults_nothing_is_wrong() -> None:
    assert faults({}) == Faults()
    assert not Faults().holds
    assert faults(asdict(Faults(cut_after=3, cut=RST, delay_ms=0.5))) == Faults(cut_after=3, cut=RST, delay_ms=0.5)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"cut_after": -1}, "cut_after"),
        ({"cut_after": 1.5}, "cut_after"),
        ({"cut_every": 0}, "cut_every"),
        ({"cut_every": True}, "cut_every"),
        ({"cut": "gently"}, "cut"),
        ({"cut": ["fin"]}, "cut"),
        ({"split": 1}, "split"),
        ({"blackhole": None}, "blackhole"),
        ({"hold_bytes": True}, "hold_bytes"),
        ({"delay_ms": float("nan")}, "delay_ms"),
        ({"delay_ms": "5"}, "delay_ms"),
        ({"rate_bytes_per_s": None}, "rate_bytes_per_s"),
        ({"cutafter": 1}, "cutafter"),
    ],
)
def test_a_wrong_fault_is_refused_in_a_sentence_that_names_it(given: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^.*\b{name}\b.*\.$"):
        faults(given)


# Where messages end.


@given(
    st.lists(st.sampled_from([LENGTH, CHUNKED, EMPTY, EARLY + LENGTH]), min_size=1, max_size=5),
    st.sampled_from([b"", ENDLESS, UPGRADED + b"\x81\x05GET \r\n\r\n"]),
    splits,
)
def test_responses_end_where_they_do_however_they_are_split(whole: list[bytes], last: bytes, sizes: list[int]) -> None:
    messages, found = Messages(), dict[int, bytes]()
    ends = []
    for piece in pieces(b"".join(whole) + last, sizes):
        for part in messages.feed(piece):
            found[part.number] = found.get(part.number, b"") + part.data
            ends += [part.number] * part.ends
    expected = dict(enumerate(whole, 1))
    after = len(whole) + 1
    if last == ENDLESS:
        expected[after] = ENDLESS
    elif last:
        expected |= {after: UPGRADED, 0: last.removeprefix(UPGRADED)}
    assert found == expected
    assert ends == [*range(1, after), *([after] if last and last != ENDLESS else [])]


@given(st.lists(st.sampled_from([GET, POST, b"\r\n" + GET]), min_size=1, max_size=5), splits)
def test_requests_end_where_they_do_however_they_are_split(whole: list[bytes], sizes: list[int]) -> None:
    messages = Messages()
    parts = [part for piece in pieces(b"".join(whole), sizes) for part in messages.feed(piece)]
    for number, message in enumerate(whole, 1):
        assert b"".join(part.data for part in parts if part.number == number) == message
    assert sum(part.ends for part in parts) == len(whole)


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_followed_and_none_is_lost(data: list[bytes]) -> None:
    messages = Messages()
    for piece in data:
        assert b"".join(part.data for part in messages.feed(piece)) == piece


@pytest.mark.parametrize("data", [RECORD, b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000])
def test_what_is_no_message_has_no_number_and_no_end(data: bytes) -> None:
    (last,) = Messages().feed(data)
    assert (last.number, last.ends) == (0, False)


# What comes out.


def approximately(seconds: float) -> Any:
    """A Wait of about so long."""
    return pytest.approx(Wait(seconds))


def run(way: Up | Down, now: float = 0) -> tuple[list[Step], float]:
    """All steps, with the time passing as they say, until there is nothing left to wait for."""
    steps: list[Step] = []
    while True:
        step = way.next(now)
        if isinstance(step, Wait):
            if step.seconds is None:
                return steps, now
            now += step.seconds + 1e-9
            continue
        steps.append(step)
        if isinstance(step, Cut | End):
            return steps, now


def joined(steps: list[Step]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same cuts each time


some_faults = st.builds(
    Faults,
    cut_after=st.none() | st.integers(0, 300),
    cut=st.sampled_from([FIN, RST]),
    split=st.booleans(),
    hold_bytes=st.integers(0, 100),
    hold_ms=st.integers(0, 50),
    hold_to_end=st.booleans(),
    delay_ms=st.integers(0, 50),
    rate_bytes_per_s=st.sampled_from([0, 50, 5000]),
)


@given(st.lists(st.binary(max_size=100) | st.sampled_from([LENGTH, CHUNKED])), some_faults, st.floats(0, 0.05))
def test_whatever_the_faults_what_comes_out_is_what_went_in_up_to_the_cut(
    data: list[bytes], wrong: Faults, between: float
) -> None:
    way, steps, now = Down(Cable(wrong)), list[Step](), 0.0
    for piece in data:
        way.feed(piece, now)
        now += between
        while not isinstance(step := way.next(now), Wait) and not isinstance(step, Cut):
            steps.append(step)
        if isinstance(step, Cut):
            steps.append(step)
            break
    else:
        way.end(now)
        steps += run(way, now)[0]
    whole = b"".join(data)
    if wrong.cut_after is not None and (wrong.cut_after < len(whole) or (wrong.cut_after == len(whole) > 0)):
        assert joined(steps) == whole[: wrong.cut_after]
        assert steps[-1] == Cut(wrong.cut)
    else:
        assert joined(steps) == whole
        assert steps[-1] == End(broken=False)
    if wrong.split:
        assert all(len(step) == 1 for step in steps if isinstance(step, bytes))


def test_what_goes_up_has_none_of_the_faults_of_what_comes_down() -> None:
    way = Up(Cable(Faults(cut_after=0, split=True, hold_to_end=True, rate_bytes_per_s=1, lose_response=1)))
    way.feed(GET, 0)
    assert run(way) == ([GET], 0)


def test_the_cut_counts_over_all_connections_and_comes_once() -> None:
    cable = Cable(Faults(cut_after=7))
    one, two = Down(cable), Down(cable)
    one.feed(b"12345", 0)
    assert run(one)[0] == [b"12345"]
    two.feed(b"67890", 0)
    assert run(two)[0] == [b"67", Cut(FIN)]
    one.feed(b"abc", 0)
    assert run(one)[0] == [b"abc"]
    cable.set(Faults(cut_after=1, cut=RST))
    one.feed(b"abc", 0)
    assert run(one)[0] == [b"a", Cut(RST)]
    assert cable.counts.cuts == 2


def test_cuts_come_again_and_again_at_random_and_after_the_same_dice_in_the_same_places() -> None:
    wrong, between = Faults(cut_every=50, cut=RST), list[int]()
    first, again = (Cable(wrong, dice(7)) for _ in range(2))
    for cable in (first, again):
        for _ in range(2000):
            way = Down(cable)
            way.feed(b"\x01" * 1000, 0)
            steps = run(way)[0]
            assert steps[-1] == Cut(RST)
            between.append(len(joined(steps)))
    assert between[:2000] == between[2000:]
    assert len(set(between)) > 100
    assert sum(between) / len(between) == pytest.approx(50, rel=0.1)
    assert first.counts.cuts == 2000


@given(st.lists(st.binary(max_size=100), max_size=50), st.integers(1, 300), st.integers())
def test_random_cuts_count_over_all_connections_and_lose_only_what_follows_them(
    data: list[bytes], every: int, seed: int
) -> None:
    cable = Cable(Faults(cut_every=every), dice(seed))
    ways = [Down(cable), Down(cable)]
    cuts = passed = 0
    for turn, piece in enumerate(data):
        at = turn % len(ways)
        ways[at].feed(piece, 0)
        steps = run(ways[at])[0]
        assert piece.startswith(joined(steps))
        passed += len(joined(steps))
        if Cut(FIN) in steps:
            cuts, ways[at] = cuts + 1, Down(cable)
        else:
            assert joined(steps) == piece
    assert (cable.counts.cuts, cable.counts.bytes_down) == (cuts, passed)


def test_the_first_of_many_cuts_can_be_put_in_its_place() -> None:
    cable = Cable(Faults(cut_after=3, cut_every=1), dice(7))
    cut, next_one = Down(cable), Down(cable)
    cut.feed(b"\x01\x02\x03\x04", 0)
    assert run(cut)[0] == [b"\x01\x02\x03", Cut(FIN)]
    next_one.feed(b"\x01" * 100, 0)
    assert run(next_one)[0][-1] == Cut(FIN)
    cable.set(Faults())
    last = Down(cable)
    last.feed(b"\x01" * 100, 0)
    assert run(last)[0] == [b"\x01" * 100]


def test_bytes_are_held_until_there_are_enough() -> None:
    way = Down(Cable(Faults(hold_bytes=4)))
    way.feed(b"\x01\x02\x03", 0)
    assert run(way)[0] == []
    way.feed(b"\x04\x05", 5)
    assert run(way, 5)[0] == [b"\x01\x02\x03\x04\x05"]


def test_bytes_are_held_for_a_time_from_the_first_on() -> None:
    way = Down(Cable(Faults(hold_ms=100)))
    way.feed(b"\x01", 0)
    way.feed(b"\x02", 0.09)
    assert way.next(0.09) == approximately(0.01)
    assert way.next(0.1) == b"\x01\x02"


@pytest.mark.parametrize("wrong", [Faults(hold_to_end=True), Faults(hold_bytes=10**6), Faults(hold_ms=60_000)])
def test_what_is_held_is_let_go_at_the_end_of_the_response_and_of_the_connection(wrong: Faults) -> None:
    way = Down(Cable(wrong))
    way.feed(LENGTH[:-1], 0)
    assert isinstance(way.next(0), Wait)
    way.feed(LENGTH[-1:] + ENDLESS, 0)
    assert way.next(0) == LENGTH
    assert isinstance(way.next(0), Wait)
    way.end(0)
    assert run(way)[0] == [ENDLESS, End(broken=False)]


def test_no_buffer_is_endless() -> None:
    way = Down(Cable(Faults(hold_to_end=True)))
    way.feed(bytes(MOST_HELD + 1), 0)
    assert len(joined(run(way)[0])) == MOST_HELD + 1
    slow = Down(Cable(Faults(delay_ms=1000)))
    slow.feed(bytes(MOST_HELD + 1), 0)
    assert slow.full
    run(slow)
    assert not slow.full


def test_faults_that_are_taken_away_let_go_what_they_held() -> None:
    cable = Cable(Faults(hold_to_end=True, blackhole=True))
    way = Down(cable)
    way.feed(b"\x01\x02", 0)
    way.end(0)
    assert run(way)[0] == []
    cable.set(Faults())
    assert run(way)[0] == [b"\x01\x02", End(broken=False)]


@pytest.mark.parametrize("way", [Up, Down])
def test_a_delay_is_the_same_for_all_and_keeps_their_order(way: type[Up] | type[Down]) -> None:
    cable = Cable(Faults(delay_ms=100))
    late = way(cable)
    late.feed(b"\x01", 0)
    late.feed(b"\x02", 0.05)
    assert late.next(0.06) == approximately(0.04)
    assert late.next(0.11) == b"\x01"
    assert late.next(0.11) == approximately(0.04)
    cable.set(Faults())
    late.feed(b"\x03", 0.12)
    late.end(0.12)
    assert late.next(0.12) == approximately(0.03)
    assert run(late, 0.15)[0] == [b"\x02", b"\x03", End(broken=False)]


def test_all_connections_share_one_slow_cable() -> None:
    cable = Cable(Faults(rate_bytes_per_s=1000))
    one, two = Down(cable), Down(cable)
    one.feed(bytes(1000), 0)
    assert run(one)[1] == pytest.approx(1, rel=0.05)
    two.feed(b"\x01", 0)
    one.feed(bytes(10), 1)
    assert isinstance(one.next(1.1), bytes)
    assert two.next(1.1) == approximately(0.01)


def test_a_lost_response_is_swallowed_whole_and_its_connection_reset() -> None:
    cable = Cable(Faults(lose_response=2))
    way = Down(cable)
    for piece in (LENGTH + CHUNKED[:30], CHUNKED[30:-1]):
        way.feed(piece, 0)
    assert run(way)[0] == [LENGTH]
    way.feed(CHUNKED[-1:] + LENGTH, 0)
    assert run(way)[0] == [Cut(RST)]
    assert cable.counts.lost_responses == 1


@given(splits)
def test_a_request_is_sent_once_more_when_it_is_whole(sizes: list[int]) -> None:
    cable = Cable(Faults(duplicate_request=2))
    way = Up(cable)
    for piece in pieces(GET + POST + GET, sizes):
        way.feed(piece, 0)
    steps = run(way)[0]
    assert joined(steps) == GET + POST + GET
    assert [step for step in steps if not isinstance(step, bytes)] == [Again(POST)]
    assert joined(steps[: steps.index(Again(POST))]).startswith(GET + POST)
    assert cable.counts.duplicated_requests == 1


# On real sockets.


def port_of(server: str) -> int:
    return int(server.rpartition(":")[2])


async def read(client: Client, url: str) -> str:
    async with aclosing(client(url)) as chunks:
        return "".join([chunk.text async for chunk in chunks])


def down(relay: Relay) -> list[bytes]:
    """The pieces that came from the server."""
    return [piece.data for piece in relay.pieces if piece.way == DOWN]


@asynccontextmanager
async def raw(port: int, request: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """What comes back for a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        yield reader
    finally:
        writer.transport.abort()


async def within_s(seconds: float, reader: asyncio.StreamReader) -> bytes | None:
    """The next bytes, b"" for the end, None if there is nothing at all."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(100_000)
    except TimeoutError:
        return None


async def until(happened: Callable[[], object]) -> None:
    """Return once it is so."""
    while not happened():  # noqa: ASYNC110 - there is no event for what a relay sees
        await asyncio.sleep(0)


def named(wrong: Faults) -> str:
    """What is not as usual."""
    return ",".join(name for name, value in asdict(wrong).items() if value != asdict(Faults())[name]) or "none"


ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "wrong",
    [
        Faults(),
        Faults(split=True),
        Faults(hold_ms=5),
        Faults(hold_bytes=300, hold_ms=300),  # with a time, for a WebSocket's end would wait for an answer to it
        Faults(hold_to_end=True, hold_ms=300),
        Faults(delay_ms=3),
        Faults(rate_bytes_per_s=100_000),
        Faults(duplicate_request=1),
        Faults(split=True, hold_bytes=50, hold_ms=300, delay_ms=1),
    ],
    ids=named,
)
async def test_faults_that_lose_nothing_change_no_text(
    server: str, start: Start, name: str, client: Client, wrong: Faults
) -> None:
    link = (await start(text=TEXT))[name]
    async with relaying(port_of(server), faults=wrong) as relay:
        assert await read(client, relay.through(link)) == TEXT
        assert relay.counts.duplicated_requests == wrong.duplicate_request
        assert relay.counts.bytes_down <= sum(map(len, down(relay)))
    assert relay.counts.open == 0


@pytest.mark.parametrize("cut", [FIN, RST])
async def test_a_cut_is_an_end_or_a_reset_after_exactly_so_many_bytes(server: str, cut: str) -> None:
    async with relaying(port_of(server), faults=Faults(cut_after=33, cut=cut)) as relay:
        async with raw(relay.port, ASKED) as reader:
            if cut == FIN:
                found = await reader.read()
            else:
                found = await reader.readexactly(33)
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        assert found == b"".join(down(relay))[:33]
        assert (relay.counts.bytes_down, relay.counts.cuts) == (33, 1)
        async with raw(relay.port, ASKED) as reader:  # it was the only one
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_client_whose_connection_is_cut_is_told_so(
    server: str, start: Start, name: str, client: Client
) -> None:
    for cut in (FIN, RST):
        link = (await start(text=TEXT))[name]
        async with relaying(port_of(server), faults=Faults(cut_after=150, cut=cut)) as relay:
            with pytest.raises(StreamError):
                await read(client, relay.through(link))


async def test_single_bytes_arrive_one_by_one(server: str) -> None:
    async with relaying(port_of(server), faults=Faults(split=True)) as relay, raw(relay.port, ASKED) as reader:
        sizes = [len(await reader.read(1000)) for _ in range(100)]
    assert sizes == [1] * 100


async def test_in_a_black_hole_there_is_silence_and_afterwards_what_was_lost_comes(
    server: str, start: Start, name: str, client: Client
) -> None:
    link = (await start(text=TEXT))[name]
    async with relaying(port_of(server), faults=Faults(blackhole=True)) as relay:
        reading = asyncio.create_task(read(client, relay.through(link)))
        done, _ = await asyncio.wait([reading], timeout=0.2)
        assert not done
        assert (relay.counts.open, relay.counts.bytes_up, relay.counts.bytes_down) == (1, 0, 0)
        relay.faults = Faults()
        assert await reading == TEXT


async def test_a_black_hole_hides_also_the_end_of_a_connection(server: str) -> None:
    close = ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with relaying(port_of(server), faults=Faults(hold_ms=60_000)) as relay:
        async with raw(relay.port, close) as reader:
            await until(lambda: down(relay))
            relay.faults = Faults(blackhole=True)
            first = await within_s(0.2, reader)
            relay.faults = Faults()
            rest = await reader.read()
        assert (first or b"") + rest == b"".join(down(relay))


@pytest.mark.parametrize("wrong", [Faults(blackhole=True), Faults(delay_ms=60_000), Faults(hold_ms=60_000)])
async def test_a_relay_ends_whatever_is_under_way(server: str, start: Start, wrong: Faults) -> None:
    link = (await start(text=TEXT, first_token_ms=60_000))["sse"]
    before = len(asyncio.all_tasks())
    async with relaying(port_of(server), faults=wrong) as relay:
        reading = asyncio.create_task(read(CLIENTS["sse"], relay.through(link)))
        await until(lambda: relay.counts.connections)
    with pytest.raises(StreamError):
        await reading
    assert len(asyncio.all_tasks()) <= before + 1  # the server's, for a connection that it keeps


async def test_a_refused_connection_is_reset(server: str, start: Start, name: str, client: Client) -> None:
    link = (await start(text=TEXT))[name]
    async with relaying(port_of(server), faults=Faults(refuse=True)) as relay:
        with pytest.raises(StreamError):
            await read(client, relay.through(link))
        assert relay.counts.refused == relay.counts.connections > 0
        assert not relay.pieces


async def test_a_response_that_is_lost_reaches_nobody_though_the_server_has_sent_it(
    server: str, start: Start, name: str, client: Client
) -> None:
    link = (await start(text=TEXT))[name]
    async with relaying(port_of(server), faults=Faults(lose_response=1)) as relay:
        with pytest.raises(StreamError):
            await read(client, relay.through(link))
        assert relay.counts.lost_responses > 0
        assert relay.counts.bytes_down == 0
        assert b"".join(down(relay)).startswith(b"HTTP/1.1 ")


async def test_a_request_that_is_sent_twice_reaches_the_server_twice(
    server: str, start: Start, http: aiohttp.ClientSession
) -> None:
    async with relaying(port_of(server), faults=Faults(duplicate_request=1)) as relay:
        body = b'{"text":"a","first_token_ms":60000}'
        head = b"POST /answers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        async with raw(relay.port, head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)) as reader:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201")
            typing = 0
            while typing < 2:
                async with http.get("/healthz") as response:
                    typing = (await response.json())["typing"]
        assert b"".join(down(relay)).count(b"HTTP/1.1 201") == 1


async def test_a_delay_is_added_to_the_handshake_and_to_both_ways(server: str) -> None:
    async def seconds(wrong: Faults) -> float:
        async with relaying(port_of(server), faults=wrong) as relay:
            began = time.monotonic()
            async with raw(relay.port, ASKED) as reader:
                await reader.read(1)
            return time.monotonic() - began

    assert await seconds(Faults(delay_ms=50)) >= 0.199  # two for the handshake, and one each way


async def test_a_slow_cable_takes_its_time(server: str) -> None:
    async with relaying(port_of(server), faults=Faults(rate_bytes_per_s=1000)) as relay:
        began = time.monotonic()
        async with raw(relay.port, ASKED) as reader:
            await reader.readexactly(200)
        assert time.monotonic() - began >= 0.17  # what is on the cable last is not waited for


async def test_a_side_that_breaks_its_connection_breaks_the_other_one(server: str, start: Start) -> None:
    link = (await start(text=TEXT, first_token_ms=60_000))["sse"]
    async with relaying(port_of(server)) as relay:
        request = f"GET {link.removeprefix(server)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        async with raw(relay.port, request) as reader:
            await reader.read(1)
        await until(lambda: not relay.counts.open)


# Live, over HTTP.


async def test_faults_are_shown_and_replaced_as_a_whole_and_counts_are_told(server: str) -> None:
    async with (
        relaying(port_of(server), faults=Faults(delay_ms=1)) as relay,
        controlling(relay) as control,
        aiohttp.ClientSession(control) as http,
    ):
        async with http.get("/faults") as response:
            assert await response.json() == asdict(Faults(delay_ms=1))
        async with http.put("/faults", json={"cut_after": 10, "cut": "rst"}) as response:
            assert await response.json() == asdict(Faults(cut_after=10, cut=RST)) == asdict(relay.faults)
        async with raw(relay.port, ASKED) as reader:
            assert len(await reader.readexactly(10)) == 10
        async with http.get("/counts") as response:
            counts = await response.json()
        assert (counts["connections"], counts["bytes_down"], counts["cuts"]) == (1, 10, 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"cut":"gently"}', "cut must be fin or rst, not 'gently'."),
        (b'{"rate":1}', "There is no fault 'rate'."),
        (b"[]", "must be a JSON object"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
async def test_what_is_no_set_of_faults_is_refused_and_changes_nothing(server: str, body: bytes, says: str) -> None:
    async with relaying(port_of(server)) as relay, controlling(relay) as url, aiohttp.ClientSession(url) as http:
        async with http.put("/faults", data=body) as response:
            assert response.status == 400
            assert says in (await response.json())["detail"]
        assert relay.faults == Faults()


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1"}, {"Host": "rebound.example"}, {"Host": "[::"}])
async def test_pages_and_foreign_names_may_not_set_faults(server: str, headers: dict[str, str]) -> None:
    async with relaying(port_of(server)) as relay, controlling(relay) as url, aiohttp.ClientSession(url) as http:
        async with http.put("/faults", json={"blackhole": True}, headers=headers) as response:
            assert response.status in (400, 403)
        assert relay.faults == Faults()


async def test_what_a_page_sends_through_the_relay_is_let_in_as_at_the_server(server: str) -> None:
    """As a browser does: `Origin` and `Host` both name the address that the page was opened at."""
    async with relaying(port_of(server)) as relay:
        for host in ("127.0.0.1", "localhost"):
            origin = f"http://{host}:{relay.port}"
            pages = {"Host": f"{host}:{relay.port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
            async with aiohttp.ClientSession(relay.through(server), headers=pages) as http:
                async with http.post("/answers", json={"text": "a"}, headers={"Origin": origin}) as response:
                    assert response.status == 201
                async with http.post("/answers", json={"text": "a"}, headers={"Origin": server}) as response:
                    assert response.status == 403


# From the command line.


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab", "relay", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


async def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, without holding up the server in this process."""
    out, err = await asyncio.to_thread(process.communicate, timeout=30)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
async def test_the_command_relays_until_it_is_ended(server: str, start: Start, end: signal.Signals, code: int) -> None:
    process = command("--server", server, "--cut-after", "5", "--cut", "rst", "--delay-ms", "0.5", "--split")
    try:
        assert process.stdout
        assert process.stderr
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        hint = await asyncio.to_thread(process.stderr.readline)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        control = re.findall(r"http://\S+(?=/faults)", hint)[0]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{control}/faults") as response:
                assert await response.json() == asdict(Faults(cut_after=5, cut=RST, delay_ms=0.5, split=True))
            async with raw(port_of(url), ASKED) as reader:
                assert await reader.readexactly(5) == b"HTTP/"
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            async with http.put(f"{control}/faults", data=json.dumps({})) as response:
                assert response.status == 200
        link = (await start(text=TEXT))["sse"]
        assert await read(CLIENTS["sse"], link.replace(server, url)) == TEXT
        process.send_signal(end)
        assert await ended(process) == (code, "", "")
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def test_the_command_says_in_a_sentence_what_is_missing(server: str) -> None:
    async with relaying(port_of(server)) as gone:
        nobody = gone.through(server)
    port = str(port_of(server))
    says = {
        ("--server", nobody): "There is no server at ",
        ("--server", server, "--port", port): "That port is in use.",
        ("--server", server, "--control-port", port): "That port is in use.",
    }
    for process, sentence in [(command(*arguments), sentence) for arguments, sentence in says.items()]:
        status, out, err = await ended(process)
        assert (status, out) == (1, "")
        assert sentence in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--server", "http://192.0.2.1:8000"), "is no server of this machine"),
        (("--server", "http://127.0.0.1:1", "--cut-after", "-1"), "cut_after must be a whole number from 0"),
        (("--server", "http://127.0.0.1:1", "--hold-bytes", "x"), "'x' is no number"),
        (("--server", "http://127.0.0.1:1", "--port", "99999"), "is no port"),
    ],
)
def test_wrong_usage_is_told_before_anything_starts(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["relay", *arguments])
    assert refused.value.code == 2
    assert says in capsys.readouterr().err
