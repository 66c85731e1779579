"""The experiment `peers`: the bytes that its load process takes apart, its arithmetic, and one small real run."""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from rich.progress import Progress

from clients.chunk import Chunk
from lab.command_line import main
from lab.crowd.row import Span
from lab.experiment import SHOWN
from lab.peers import experiment
from lab.peers.account import Account, Started
from lab.peers.catalogue import PEERS
from lab.peers.exchange import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frames,
    Response,
    get,
    is_over,
    masked,
    polled,
    post,
    streamed,
    upgrade,
)
from lab.peers.experiment import Parameters, peers, plan
from lab.peers.row import Noted, failure, row
from lab.peers.run import measure
from lab.peers.schedule import a_run, crowd_of, schedule
from lab.peers.targets import TARGETS, at_most, grows, holds, ratios, verdicts, weighs
from lab.report import peers as shown
from lab.result import Row, document, read
from lab.spread import Histogram

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SHA = hashlib.sha256(b"one two").hexdigest()
CHUNKS = [Chunk(0, ""), Chunk(1, "one"), Chunk(2, " two"), Chunk(3, "", "finished", SHA)]


def encoded(chunk: Chunk) -> bytes:
    """The chunk as JSON."""
    end = {"done": chunk.done, "sha256": chunk.sha256} if chunk.done else {}
    return json.dumps({"cursor": chunk.cursor, "text": chunk.text} | end, separators=(",", ":")).encode()


def pieces(*bodies: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies) + b"0\r\n\r\n"


def frame(payload: bytes, code: int = TEXT) -> bytes:
    """A WebSocket frame of a server, in the shortest of its three forms."""
    size = len(payload)
    long = b"\x7e" + size.to_bytes(2, "big") if size < 2**16 else b"\x7f" + size.to_bytes(8, "big")
    length = bytes([size]) if size < 126 else long
    return bytes([0x80 | code]) + length + payload


EVENTS = [b"id: %d\ndata: %b\n\n" % (chunk.cursor, encoded(chunk)) for chunk in CHUNKS]
SCRIPTS = [b'<script nonce="n">push(%b)</script>\n' % encoded(chunk) for chunk in CHUNKS]
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\nUpgrade: websocket\r\n\r\n"  # as nginx says it
STREAMS = {
    "sse": HEAD + pieces(b": a comment\r\n\r\n", *EVENTS),
    "iframe": HEAD + pieces(b"<!doctype html>", *SCRIPTS),
    "websocket": SWITCHED + b"".join(frame(encoded(chunk)) for chunk in CHUNKS) + b"\x88\x02\x03\xe8",
}


def in_pieces(data: bytes, size: int) -> list[tuple[float, bytes]]:
    """As it is received so many bytes at a time; piece n comes at second n."""
    return [(float(n), data[at : at + size]) for n, at in enumerate(range(0, len(data), size))]


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_stream_is_read_the_same_however_it_is_cut(transport: str, size: int) -> None:
    heard = in_pieces(STREAMS[transport], size)
    assert [chunk for _, chunk in streamed(transport, heard)] == CHUNKS


@pytest.mark.parametrize("transport", STREAMS)
def test_a_token_is_here_with_its_last_byte(transport: str) -> None:
    data = STREAMS[transport]
    ends = {"sse": b'"text":"one"}\n\n', "iframe": b'"text":"one"})</script>', "websocket": b'"text":"one"}'}
    last = data.index(ends[transport]) + len(ends[transport]) - 1
    times = {chunk.cursor: at for at, chunk in streamed(transport, in_pieces(data, 1))}
    assert times[1] == last


REPLIES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=1\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("kind", REPLIES)
def test_a_reply_ends_where_its_head_says(kind: str, size: int) -> None:
    response, body = Response(), b""
    *before, last = in_pieces(REPLIES[kind].removesuffix(b"\r\n") if kind == "chunked" else REPLIES[kind], size)
    for _, data in before:
        body += response.feed(data)
        assert not response.ended
    body += response.feed(last[1])
    assert response.ended
    assert body == (b"" if kind == "empty" else b"hello")


def test_the_body_of_a_reply_is_its_chunk() -> None:
    response = Response()
    body = encoded(CHUNKS[3])
    assert response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) == body
    assert polled([(1.5, body)]) == [(1.5, CHUNKS[3])]


@pytest.mark.parametrize("length", [0, 5, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("cut", [1, 3, 9, 11])
def test_frames_of_every_form_are_found_wherever_they_are_cut(length: int, cut: int) -> None:
    data = frame(b"x" * length) + frame(b"hello", PING) + frame(b"")
    frames = Frames()
    found = [*frames.feed(data[:cut]), *frames.feed(data[cut:])]
    assert found == [(TEXT, b"x" * length), (PING, b"hello"), (TEXT, b"")]


def test_what_a_client_sends_is_masked() -> None:
    assert masked(PONG, b"hello") == b"\x8a\x85\0\0\0\0hello"


def test_a_reply_that_is_no_answer_is_an_error_with_its_status() -> None:
    with pytest.raises(ValueError, match="status 404"):
        streamed("sse", [(0, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")])


@pytest.mark.parametrize("transport", STREAMS)
def test_the_end_of_a_stream_is_seen_however_it_is_cut(transport: str) -> None:
    data = STREAMS[transport]
    assert [at for at in range(len(data) + 1) if is_over(transport, in_pieces(data[:at], 3))] == [len(data)]


def test_a_close_frame_with_a_reason_is_an_end_and_a_length_that_looks_like_one_is_none() -> None:
    text = frame(b"x" * 0x88)
    assert not is_over("websocket", [(0, SWITCHED + text)])
    assert is_over("websocket", [(0, SWITCHED + text), (1, frame(b"\x03\xe9Gone", CLOSE))])


def test_requests_name_the_path_the_host_and_the_cursor() -> None:
    assert get("http://h:1/a/sse", 7) == b"GET /a/sse?cursor=7 HTTP/1.1\r\nHost: h:1\r\n\r\n"
    assert get("http://h:1/a?b=c").startswith(b"GET /a?b=c&cursor=0 ")
    assert b"Upgrade: websocket\r\n" in upgrade("ws://h:1/a/websocket")
    assert post("http://h:1/answers", {"a": 1}).endswith(b'Content-Length: 8\r\n\r\n{"a": 1}')


def test_lag_is_from_when_a_token_was_due() -> None:
    account = Account(["one", " two"], 100)
    account.count([(10.0, CHUNKS[0]), (11.01, CHUNKS[1]), (11.13, CHUNKS[2]), (11.2, CHUNKS[3])], 11.0)
    assert (account.tokens, account.missing, account.unended) == (2, 0, 0)
    assert account.lag.summary()["max"] == pytest.approx(30, rel=1e-3)
    assert account.lag.summary()["p50"] == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize(
    ("chunks", "missing", "unended"),
    [
        (CHUNKS, 0, 0),
        ([], 2, 1),
        (CHUNKS[:2], 1, 1),
        ([CHUNKS[2], CHUNKS[1], CHUNKS[3]], 2, 1),
        ([*CHUNKS[:3], CHUNKS[2], CHUNKS[3]], 2, 1),
        ([*CHUNKS[:3], replace(CHUNKS[3], sha256="0")], 0, 1),
        ([Chunk(9, "one")], 2, 1),
    ],
)
def test_only_what_came_in_order_and_right_counts(chunks: Sequence[Chunk], missing: int, unended: int) -> None:
    account = Account(["one", " two"], 100)
    account.count([(0.0, chunk) for chunk in chunks], 0.0)
    assert (account.missing, account.unended, account.tokens) == (missing, unended, 2 - missing)


def test_when_an_answer_started_is_known_to_half_of_a_round_trip() -> None:
    started = Started(asked=1.0, replied=1.004, first_token_s=2.0)
    assert started.first_due == pytest.approx(3.002)
    assert started.error_ms == pytest.approx(2)


def test_all_peers_are_given_the_same_crowd_at_the_same_instants() -> None:
    runs = [a_run(peer, "sse", "50x20", 1, 1.0, 200, 0) for peer in ("pushlab", "asyncio")]
    one, other = (schedule(run, 100.0) for run in runs)
    assert one == other
    assert one != schedule(replace(runs[0], run=2), 100.0)
    assert all(0 <= phase < 0.02 for phase in one.phases_s)
    assert len(set(one.phases_s)) == 50
    assert 100 < one.read_at < one.first_due < one.last_due
    assert runs[0].stages == [13, 25, 38, 50]


@pytest.mark.parametrize(
    ("transport", "crowd", "tokens", "token_ms", "poll_ms"),
    [
        ("sse", "1000x50", 100, 50, None),
        ("sse", "100x50", 200, 50, None),  # longer than asked for, to have enough tokens
        ("sse", "10000x200", 25, 200, None),
        ("sse", "8000x400", 20, 400, None),
        ("polling", "1000x50", 100, 50, 500),
        ("polling", "100x50", 200, 50, 200),
        ("long_polling", "1000x50", 20, 500, None),
        ("long_polling", "100x50", 200, 50, None),
    ],
)
def test_a_run_has_enough_tokens_and_no_more_requests_than_a_server_bears(
    transport: str, crowd: str, tokens: int, token_ms: float, poll_ms: float | None
) -> None:
    run = a_run("pushlab", transport, crowd, 1, 5.0, 200, 0)
    assert (run.tokens, run.token_ms, run.poll_ms, len(run.text.split())) == (tokens, token_ms, poll_ms, tokens)


def noted(**changes: Any) -> Noted:
    """What a run of 100 readers with 200 tokens could give."""
    lag = Histogram()
    lag.record(5)
    result = {"tokens": 20_000, "missing_tokens": 0, "unended": 0, "error": None, "start_error_ms": 0.2}
    default = Noted(
        idle=Span(2.0, 0.02),
        typing=Span(10.0, 0.5),
        warm_bytes=1_000_000,
        points=[(0, 2_000_000), (50, 2_500_000), (100, 3_000_000)],
        client_cpu=0.2,
        replies=10_000,
        connections=100,
        result=result | {"corrected_lag_us": lag.encode()},
    )
    return replace(default, **changes)


def test_a_row_takes_the_idle_time_off_the_cpu() -> None:
    found = row(a_run("asyncio", "sse", "100x50", 1, 5.0, 200, 0), None, noted())
    assert found["cpu_us_per_token"] == pytest.approx(20)
    assert found["cpu_us_per_request"] is None
    assert found["memory_bytes_per_connection"] == {"idle": 10_000}
    assert found["memory_bytes_per_answer"] == 10_000
    assert (found["void"], found["saturated"], found["requests"]) == (None, False, 100)
    polls = row(a_run("asyncio", "polling", "100x50", 1, 5.0, 200, 0), None, noted())
    assert polls["cpu_us_per_request"] == pytest.approx(40)


def test_a_saturated_server_is_published_and_a_saturated_instrument_is_not() -> None:
    run = a_run("asyncio", "sse", "100x50", 1, 5.0, 200, 0)
    full = row(run, None, noted(typing=Span(10.0, 9.8)))
    assert full["saturated"]
    assert full["cpu_us_per_token"]
    for void, sentence in (
        ({"client_cpu": 0.9}, "used 0.90 cores"),
        ({"idle": Span(1.0, 0.1)}, "too little idle time"),
    ):
        found = row(run, None, noted(**void))
        assert sentence in found["void"]
        assert not found.keys() & {"cpu_us_per_token", "corrected_lag_ms", "memory_bytes_per_connection"}


def test_there_is_no_cpu_of_too_few_tokens_nor_of_what_came_in_part() -> None:
    run = a_run("asyncio", "sse", "100x50", 1, 5.0, 200, 0)
    result = noted().result
    few = row(run, None, noted(result=dict(result) | {"tokens": 10}))
    part = row(run, None, noted(result=dict(result) | {"missing_tokens": 3}))
    assert few["cpu_us_per_token"] is None
    assert "these were 10" in few["cpu_note"]
    assert part["cpu_us_per_token"] is None
    assert "3 tokens did not arrive" in part["cpu_note"]


def a_row(peer: str = "pushlab", transport: str = "sse", crowd: str = "1000x50", run: int = 1, **changes: Any) -> Row:
    """A row of a run that went well."""
    made = row(a_run(peer, transport, crowd, run, 5.0, 200, 0), {"server": 0, "load": 1}, noted())
    return made | changes


def test_a_ratio_is_made_run_by_run() -> None:
    ours = [a_row(run=run, cpu_us_per_token=cpu) for run, cpu in ((1, 10.0), (2, 40.0), (3, 9.0))]
    theirs = [a_row("asyncio", run=run, cpu_us_per_token=cpu) for run, cpu in ((2, 20.0), (1, 10.0), (4, 1.0))]
    assert ratios(ours, theirs, "cpu_us_per_token") == [1.0, 2.0]


def test_targets_are_reached_or_not_or_not_measured() -> None:
    ours = a_row(cpu_us_per_token=12.0)
    against = at_most(1.25, "sse", "asyncio")
    assert against.judge([ours, a_row("asyncio", cpu_us_per_token=10.0)]) == (True, "1.2 × asyncio")
    assert against.judge([ours, a_row("asyncio", cpu_us_per_token=9.0)])[0] is False
    assert against.judge([ours, a_row("asyncio", run=2)])[0] is None
    assert against.judge([ours, a_row("asyncio", void="It was busy.")])[0] is None
    assert against.judge([])[0] is None
    across = at_most(0.9, "iframe", "node", "sse")
    assert across.judge([a_row(transport="iframe", cpu_us_per_token=8.0), a_row("node", cpu_us_per_token=10.0)])[0]


def test_the_other_targets_are_judged_by_their_own_figures() -> None:
    slow, fast = a_row(crowd="8000x400", cpu_us_per_token=13.0), a_row(crowd="500x25", cpu_us_per_token=10.0)
    assert grows(1.2, "sse").judge([slow, fast])[0] is False
    assert grows(1.5, "sse").judge([slow, fast])[0] is True
    good = a_row(crowd="10000x200", corrected_lag_ms={"p99": 90.0}, server_cpu=0.8)
    late = good | {"run": 2, "corrected_lag_ms": {"p99": 110.0}}
    lossy = good | {"run": 2, "missing_tokens": 1}
    silent = good | {"run": 2, "corrected_lag_ms": None}
    assert holds("sse").judge([good])[0] is True
    assert [holds("sse").judge([good, bad])[0] for bad in (late, lossy, silent)] == [False] * 3
    light: dict[str, Any] = {"memory_bytes_per_connection": {"idle": 12 * 1024}}
    assert weighs(12, "sse").judge([a_row(**light)]) == (True, "12 KiB")
    assert weighs(11, "sse").judge([a_row(**light)])[0] is False
    assert weighs(12, "sse").judge([a_row(crowd="100x50", **light)])[0] is None


def test_every_target_stands_in_the_result_once() -> None:
    found = verdicts([])
    assert len({each["says"] for each in found}) == len(TARGETS)
    assert {each["verdict"] for each in found} == {"not measured"}
    assert {peer for target in TARGETS for peer in PEERS if re.search(rf"\b{peer}$", target.says)} == {
        *("asyncio", "node", "starlette", "ws", "websockets", "express")
    }


def test_the_documentation_lists_every_key_of_a_row() -> None:
    page = (Path(__file__).parent.parent / "docs" / "result.md").read_text(encoding="utf-8")
    section = page.partition("## A row of `peers`")[2].partition("\n## ")[0]
    grouped = page.partition("## A row: what was measured")[2].partition("\n## ")[0]
    listed = {*re.findall(r"^\| `(\w+)`", section, re.MULTILINE)}
    void = failure(a_run("ws", "websocket", "1x1", 1, 5.0, 200, 0), None, "It died.")
    few = row(a_run("ws", "websocket", "1x1", 1, 5.0, 200, 0), None, noted(result=dict(noted().result) | {"tokens": 1}))
    keys = few.keys() | void.keys()
    assert listed == {key for key in keys if not re.search(rf"^\|.*`{key}`.* \|", grouped, re.MULTILINE)}


def found(rows: list[Row], observations: Sequence[Row] = ()) -> dict[str, Any]:
    """A document of these rows."""
    made = document("peers", "python -m lab peers", {}, {"crowds": ["1000x50"]})
    return made | {"rows": rows, "complete": True, "verdicts": verdicts(rows), "observations": list(observations)}


def test_the_verdict_comes_first_and_is_a_sentence_for_each_transport() -> None:
    rows = [a_row(cpu_us_per_token=11.0), a_row("asyncio", cpu_us_per_token=10.0), a_row("node", cpu_us_per_token=22.0)]
    rows += [a_row("asyncio", "websocket", cpu_us_per_token=10.0)]
    assert shown.headlines(found(rows))[0] == "SSE: 1.1 × asyncio and 0.5 × node in CPU per token, with 1000x50."
    assert "nothing to compare" in shown.headlines(found(rows[1:]))[0]


def test_where_cpu_is_too_little_to_tell_that_is_what_is_said() -> None:
    rows = [a_row(cpu_us_per_token=None, cpu_note="CPU needs more."), a_row("asyncio", cpu_us_per_token=None)]
    assert shown.headlines(found(rows)) == [
        "CPU cannot be compared. CPU needs more. Measure a larger crowd, or for longer."
    ]


def test_of_a_single_run_no_median_is_told() -> None:
    rows = [a_row(), a_row("asyncio")]
    assert "noise is not known" in shown.headlines(found(rows))[-1]
    assert "a median of runs" in shown.headlines(found([*rows, a_row(run=2), a_row("asyncio", run=2)]))[-1]


def test_terminal_and_page_show_peers_voids_targets_and_who_is_missing_and_run_nothing_of_it() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    run = a_run("node", "sse", "1000x50", 1, 5.0, 200, 0)
    rows = [
        a_row(saturated=True),
        a_row("asyncio", cpu_us_per_token=1.0),
        failure(run, None, f"It died. {hostile}"),
        a_row(hostile),
    ]
    made = found(rows, [{"id": "ws", "library": "ws on Node", "says": f"Install it. {hostile}", "version": None}])
    out = StringIO()
    Console(file=out, width=200).print(shown.table(made))
    page = shown.report(made, Path())
    for text in (out.getvalue(), page):
        assert "saturated in 1 of 1 runs" in text
        assert "void in 1 of 1 runs: It died." in text
        assert "ws on Node is left out: Install it." in text
        assert "not measured" in text
        assert "not reached" in text
    assert "\x1b[2J" not in out.getvalue()
    assert "<script>alert" not in page
    assert shown.wrong(made)
    assert shown.wrong(found([a_row()])) is None


@pytest.mark.parametrize("rows", [[], [a_row(void="x") | {"peer": None}], [a_row("pigeon", "sse")]])
def test_any_result_can_be_shown(rows: list[Row]) -> None:
    made = found(rows)
    Console(file=StringIO()).print(shown.table(made))
    assert "</html>" in shown.report(made, Path())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--crowds", "10"], "A crowd is its readers, an x, and the milliseconds between tokens: 1000x50, not '10'"),
        (["--crowds", "２０x50"], "A crowd is its readers"),
        (["--crowds", "0x50"], "readers of a crowd must be from 1 to 10000, not 0"),
        (["--crowds", "10001x50"], "from 1 to 10000"),
        (["--crowds", "10x0"], "milliseconds of a crowd must be from 1 to 5000"),
        (["--crowds", "5x5", "5x5"], "--crowds names 5x5 twice"),
        (["--peer", "nobody"], "there is no 'nobody'"),
        (["--transport", "whole"], "there is no 'whole'"),
        (["--peer", "ws", "--transport", "sse"], "None of these peers has any of these transports"),
        (["--runs", "0"], "--runs must be from 1"),
        (["--seconds", "0"], "--seconds must be from 0.2"),
        (["--seconds", "nan"], "not nan"),
        (["--poll-ms", "1"], "--poll-ms must be from 10"),
    ],
)
def test_wrong_flags_are_refused_with_a_sentence(
    wrong: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["peers", *wrong])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_crowd_is_readers_and_milliseconds() -> None:
    assert crowd_of("1000x50") == (1000, 50.0)
    assert crowd_of("7x12.5") == (7, 12.5)


def test_every_peer_meets_every_crowd_on_every_transport_that_it_has_once_in_each_run() -> None:
    parameters = Parameters(crowds=("10x50", "20x50"), runs=2)
    runs = plan(parameters, ["pushlab", "asyncio"])
    cases = [(each.peer, each.transport, each.crowd, each.run) for each in runs]
    count = sum(len(PEERS[name].transports) for name in ("pushlab", "asyncio"))
    assert len(cases) == len(set(cases)) == count * 2 * 2
    assert [run for *_, run in cases] == sorted(run for *_, run in cases)


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    """Another peer in place of that one."""
    monkeypatch.setitem(PEERS, name, replace(PEERS[name], **changes))


def test_a_peer_that_is_missing_is_left_out_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(monkeypatch, "node", missing=lambda: "Install Node 20.")
    assert main(["peers", "--peer", "node", "--transport", "sse", "--runs", "1", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{PEERS['node'].name} is left out: Install Node 20." in said
    assert "None of these peers can run here." in said
    (observation,) = read(tmp_path)["observations"]
    assert (observation["id"], observation["version"]) == ("node", None)
    assert "Install Node 20." in (tmp_path / "report.html").read_text(encoding="utf-8")


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are over soon, and are not void because the machine is busy with other things."""
    monkeypatch.setattr("lab.peers.schedule.IDLE_S", 0.5)
    monkeypatch.setattr("lab.peers.schedule.SETTLE_S", 0.5)
    monkeypatch.setattr("lab.peers.schedule.LONGER", 1)
    monkeypatch.setattr("lab.peers.run.SETTLE_S", 0.5)
    monkeypatch.setattr("lab.peers.row.LEAST_IDLE_S", 0)
    monkeypatch.setattr("lab.peers.row.MOST_CLIENT_CPU", 2)


def test_a_small_run_of_two_peers_counts_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quick(monkeypatch)
    flags = ["--crowds", "20x20", "--runs", "1", "--seconds", "1", "--out", str(tmp_path)]
    assert main(["peers", "--peer", "pushlab", "asyncio", *flags]) == 0
    made = read(tmp_path)
    assert made["complete"]
    measured = {(each["peer"], each["transport"]) for each in made["rows"]}
    assert measured == {(name, each) for name in ("pushlab", "asyncio") for each in PEERS[name].transports}
    for each in made["rows"]:
        assert (each["void"], each["error"], each["missing_tokens"], each["unended"]) == (None, None, 0, 0)
        tokens = a_run(each["peer"], each["transport"], "20x20", 1, 1.0, 200, 0).tokens
        assert each["tokens"] == 20 * tokens
        assert len(Histogram.decode(each["histograms"]["corrected_lag_us"])) == 20 * tokens
        assert each["requests"] >= 20
        assert each["connections"] >= 20
        assert [connections for connections, _ in each["memory_points"]] == [0, 5, 10, 15, 20]
        assert each["server_cpu"] > 0
        assert each["start_error_ms"] > 0
    assert {each["id"] for each in made["observations"]} == {"pushlab", "asyncio"}
    assert len(made["verdicts"]) == len(TARGETS)
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def watching(phase: str, act: Callable[[], None]) -> Callable[[str, float, float], None]:
    """Acts once that phase is reached."""
    acts = iter([act])

    def watch(name: str, _done: float, _of: float) -> None:
        if name == phase:
            next(acts, lambda: None)()

    return watch


def children() -> Iterator[psutil.Process]:
    """The peer and the load process, which were started from here."""
    return (child for child in psutil.Process().children() if {"lab.served", "lab.peers.reader"} & {*child.cmdline()})


def kill(program: str) -> None:
    """Kill our process that runs it."""
    for child in children():
        if program in child.cmdline():
            child.kill()


@pytest.mark.parametrize(
    ("program", "phase", "sentence"),
    [
        ("lab.served", "typing", "was ended by SIGKILL in the middle"),
        ("lab.served", "connecting", "was ended by SIGKILL in the middle"),
        ("lab.peers.reader", "typing", "ended with exit status -9"),
    ],
)
async def test_a_process_that_dies_makes_a_row_that_says_so_and_leaves_none_behind(
    program: str, phase: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    run = a_run("pushlab", "sse", "20x50", 1, 2.0, 200, 0)
    made = await measure(run, watching(phase, lambda: kill(program)))
    assert sentence in made["void"]
    assert PEERS["pushlab"].name in made["void"]
    assert made["failed"]
    assert "did not come to an end" in str(SHOWN["peers"].wrong(found([made])))
    assert list(children()) == []


async def test_stopping_in_the_middle_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    reached = asyncio.Event()
    measuring = asyncio.create_task(
        measure(a_run("pushlab", "sse", "20x50", 1, 5.0, 200, 0), watching("typing", reached.set))
    )
    await reached.wait()
    measuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await measuring
    assert list(children()) == []


async def test_a_run_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([a_row(), failure(a_run("asyncio", "sse", "20x20", 1, 1.0, 200, 0), None, "It died.")])
    rows: list[Row] = []

    async def measured(*_: Any) -> Row:
        return next(made)

    monkeypatch.setattr(experiment, "measure", measured)
    parameters = Parameters(peer=("pushlab", "asyncio"), transport=("sse",), crowds=("20x20",), runs=1)
    await peers(parameters, rows.append, Progress(disable=True))
    assert [each.get("failed") for each in rows if "run" in each] == [None, True]
