"""The attacks of those who stand on the way: their relay against a real server, and each of them off and on."""

import asyncio
from contextlib import aclosing

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Client, StreamError
from lab.relay import DOWN, UP, Change, relay, relaying
from lab.security.experiment import Cell, attempt
from lab.security.leaks import PROBES
from lab.security.leaks.without import WITH, WITHOUT, with_batching, with_random_padding
from server import order, push
from server.defences import DEFENCES
from server.settings import Settings
from tests.conftest import Start
from tests.security.conftest import Place

TEXT = "What one side writes the other side reads, whoever carries it."


def port_of(server: str) -> int:
    """Where it listens."""
    return int(server.rpartition(":")[2])


async def read(client: Client, url: str) -> list[str]:
    """The texts of all chunks."""
    async with aclosing(client(url)) as chunks:
        return [chunk.text async for chunk in chunks]


# The relay.


async def test_a_relay_is_not_noticed_and_keeps_every_byte(
    server: str, client: Client, name: str, start: Start
) -> None:
    link = (await start(text=TEXT, unit="word"))[name]
    async with relaying(port_of(server)) as on_the_way:
        assert "".join(await read(client, on_the_way.through(link))) == TEXT
        assert on_the_way.through(link) != link
        up, down = (b"".join(piece.data for piece in on_the_way.pieces if piece.way == way) for way in (UP, DOWN))
    assert up.startswith(b"GET /answers/")
    assert TEXT.split()[0].encode() in down
    assert [piece.at for piece in on_the_way.pieces] == sorted(piece.at for piece in on_the_way.pieces)
    assert {piece.connection for piece in on_the_way.pieces} == {0}


async def test_each_connection_is_changed_by_a_function_of_its_own(server: str) -> None:
    made: list[dict[str, int]] = []

    def changing() -> Change:
        seen = {UP: 0, DOWN: 0}
        made.append(seen)

        def change(way: str, data: bytes) -> bytes:
            seen[way] += len(data)
            return data.replace(b'"typing"', b'"TYPING"')

        return change

    async with relaying(port_of(server), changing) as on_the_way:
        url = on_the_way.through(server) + "/healthz"
        for _ in range(2):
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                assert "TYPING" in await response.json()
    assert len(made) == 2
    assert all(seen[UP] and seen[DOWN] for seen in made)
    assert b'"typing"' in on_the_way.pieces[-1].data


async def test_where_no_server_is_the_client_is_cut_off(server: str, client: Client, start: Start, name: str) -> None:
    link = (await start(text=TEXT))[name]
    async with relaying(port_of(server)) as nowhere, relaying(nowhere.port) as on_the_way:
        closed = on_the_way.through(link)
        await nowhere.close()
    with pytest.raises(StreamError):
        await read(client, closed)


async def test_what_is_under_way_ends_with_the_block(server: str, start: Start) -> None:
    link = (await start(text=TEXT, first_token_ms=50_000))["sse"]
    async with relaying(port_of(server)) as on_the_way:
        chunks = CLIENTS["sse"](on_the_way.through(link))
        await anext(chunks)
    with pytest.raises(StreamError):
        async with asyncio.timeout(10):
            await anext(chunks)
    await chunks.aclose()


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_CONNECTIONS"])
async def test_a_relay_carries_so_much_and_no_more(
    server: str, start: Start, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(relay, limit, 0)
    link = (await start(text=TEXT))["sse"]
    async with relaying(port_of(server)) as on_the_way:
        with pytest.raises(StreamError):
            await read(CLIENTS["sse"], on_the_way.through(link))
    assert not on_the_way.pieces


# The defences that are only compared.


async def test_random_padding_changes_lengths_and_no_text(
    server: str, client: Client, name: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "shape", push.shape)  # so that it is put back
    with_random_padding(Settings())
    assert "".join(await read(client, (await start(text=TEXT))[name])) == TEXT
    frame = b'data: {"cursor":1,"text":"}"}\n\n'
    shaped = {push.shape(frame, Settings()) for _ in range(2000)}
    assert {len(found) - len(frame) for found in shaped} == set(range(32))
    assert {found.replace(b" ", b"") for found in shaped} == {frame.replace(b" ", b"")}


async def test_batches_come_whole(server: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "scripted", order.__dict__["scripted"])
    with_batching(Settings())
    chunks = await read(CLIENTS["websocket"], (await start(text="a" * 20, token_ms=5))["websocket"])
    assert [len(text) for text in chunks] == [8, 8, 4]


# The attacks.

sharing = pytest.mark.asyncio(loop_scope="session")
"""For tests that share their servers."""


def test_every_defence_of_this_family_can_be_taken_away_and_those_that_are_not_there_put_in() -> None:
    judged = {defence for probe in PROBES.values() for defence in probe.defences}
    assert judged == set(WITHOUT)
    assert set(WITH) == {defence for defence in judged if not DEFENCES[defence].ships}


@sharing
async def test_padding_leaves_no_bits_and_has_its_price_in_bytes(place: Place) -> None:
    row, _ = await attempt(Cell("token-length", "iframe", "padding"), *place)
    off, on = row["off_figures"], row["on_figures"]
    assert off["exact_rate"] > 0.9 > 0.3 > on["exact_rate"]
    assert off["leak_bits"] > 2 > 0.1 > on["leak_bits"]
    assert on["bytes_per_token"] > off["bytes_per_token"]
