"""Bytes on the wire: the examples in docs/transports/ are what the server writes and what the clients read.

The one thing to notice: the table stands in the docs page of each transport, so the documentation cannot drift, and a
new transport is tested by the page it has to have anyway.
"""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import chunk as client_side
from server.answer import Chunk
from server.sources.presets import EDGE
from server.transports import TRANSPORTS
from server.wire import encode

DOCS = Path(__file__).parent.parent / "docs" / "transports"
TABLE = re.compile(r"```python\nFRAMES = (\[.*?\])\n```", re.DOTALL)

SHA = "145633fda486cf29ba114469df836a330afa51738e774f6e359b13dad1420ebd"
CHUNKS = [
    Chunk(0, ""),
    Chunk(7, "够"),
    Chunk(3, EDGE),
    Chunk(6, "啦", "finished", SHA),
    Chunk(9, "", "failed", SHA, "It broke </script>."),
]


def frames(name: str) -> list[tuple[str, str]]:
    """The documented pairs of (chunk as JSON, bytes on the wire)."""
    table = TABLE.search((DOCS / f"{name}.md").read_text(encoding="utf-8"))
    assert table, f"docs/transports/{name}.md has no FRAMES"
    pairs: list[tuple[str, str]] = ast.literal_eval(table[1])
    return pairs


def frame(name: str, chunk: Chunk) -> bytes:
    """What the server's module makes of it."""
    data: bytes = import_module(f"server.transports.{name}").frame(chunk)
    return data


def decode(name: str, pieces: list[bytes]) -> list[client_side.Chunk]:
    """What the client's module makes of bytes that arrive in `pieces`; a message or a body arrives as one."""
    module: Any = import_module(f"clients.{name}")
    if hasattr(module, "Decoder"):
        decoder = module.Decoder()
        return [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return [client_side.parse(b"".join(pieces))]


def server_side(chunk: client_side.Chunk) -> Chunk:
    """The client's chunk as the server's."""
    return Chunk(chunk.cursor, chunk.text, chunk.done, chunk.sha256, chunk.error)


def test_the_documented_examples_cover_news_no_news_and_both_ends(name: str) -> None:
    chunks = [client_side.parse(json) for json, _ in frames(name)]
    assert any(chunk.text and not chunk.done for chunk in chunks)
    assert any(not chunk.text and not chunk.done for chunk in chunks)
    assert {"finished", "failed"} <= {chunk.done for chunk in chunks}
    assert any("</script>" in chunk.text and "\r" in chunk.text and "\u2028" in chunk.text for chunk in chunks)


def test_the_server_writes_the_documented_bytes(name: str) -> None:
    for json, wire in frames(name):
        chunk = server_side(client_side.parse(json))
        assert encode(chunk).decode() == json
        assert frame(name, chunk).decode() == wire


def test_the_client_reads_the_documented_bytes_whole_and_byte_by_byte(name: str) -> None:
    for json, wire in frames(name):
        data = wire.encode()
        assert decode(name, [data]) == [client_side.parse(json)]
        assert decode(name, [bytes([byte]) for byte in data]) == [client_side.parse(json)]


def test_what_the_server_frames_the_client_reads_back(name: str) -> None:
    for chunk in CHUNKS:
        assert list(map(server_side, decode(name, [frame(name, chunk)]))) == [chunk]


@given(text=st.text(st.characters(exclude_categories=["Cs"])), cuts=st.lists(st.integers(0, 200)))
def test_any_text_survives_framing_wherever_the_bytes_are_cut(text: str, cuts: list[int]) -> None:
    for name in TRANSPORTS:
        data = frame(name, Chunk(1, text))
        ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
        pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        assert [chunk.text for chunk in decode(name, pieces)] == [text]


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"{", b'{"cursor":"1","text":""}', b'{"cursor":1}', b"[" * 100_000])
def test_a_client_says_so_when_it_is_sent_no_chunk(nonsense: bytes) -> None:
    with pytest.raises(client_side.StreamError, match="The server sent what is not"):
        client_side.parse(nonsense)
