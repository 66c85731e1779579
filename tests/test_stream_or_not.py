"""The experiment `stream-or-not`: what it counts is what others count, and a verdict says no more than it knows."""

import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.command_line import command_line, main
from lab.crowd.processes import LoadDied
from lab.peers.exchange import Response
from lab.report import stream_or_not as shown
from lab.result import Row, document, read
from lab.stream_or_not.claims import CLAIMS, verdicts
from lab.stream_or_not.experiment import Parameters, plan
from lab.stream_or_not.row import Run
from lab.stream_or_not.run import times
from lab.stream_or_not.ways import PAIRS, PROMPT, SCRIPT, WAYS, Deltas, Question, Way, got
from server.answer import Chunk
from server.completion import Completion
from server.settings import Settings
from server.transports.sse import frame

ROOT = Path(__file__).parent.parent
TOKENS = ["够", "钟", "下班", "啦"]
DIGEST = hashlib.sha256("".join(TOKENS).encode()).hexdigest()


# What comes back, taken apart.


def chunked(*parts: bytes) -> bytes:
    """A response that goes on, in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def counted(body: bytes) -> bytes:
    """A response of a known length."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def replies() -> dict[str, bytes]:
    """The same answer in every way, as this server sends it."""
    usage = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    completion, end = Completion("id", 0, "m", True), Chunk(5, "", "finished", DIGEST)
    chunks = [Chunk(0, ""), *(Chunk(cursor, token) for cursor, token in enumerate(TOKENS, 1)), end]
    whole = {"cursor": 5, "text": "".join(TOKENS), "done": "finished", "sha256": DIGEST}
    return {
        "sdk-streamed": chunked(*(completion.frame(chunk, "stop", usage) for chunk in chunks)),
        "sdk-whole": counted(completion.whole("".join(TOKENS), "stop", usage)),
        "sse": chunked(*map(frame, chunks)),
        "whole": counted(json.dumps(whole).encode()),
    }


@pytest.mark.parametrize("way", WAYS)
@given(st.data())
def test_an_answer_is_the_same_in_every_way_and_in_pieces_of_any_size(way: str, data: st.DataObject) -> None:
    reply = replies()[way]
    cuts = sorted({0, len(reply), *data.draw(st.lists(st.integers(0, len(reply)), max_size=6))})
    heard = [(float(at), reply[one:other]) for at, (one, other) in enumerate(zip(cuts, cuts[1:], strict=False))]
    found = got(WAYS[way], heard)
    assert "".join(piece.text for piece in found.pieces) == "".join(TOKENS)
    assert found.tokens == len(TOKENS)
    for at, piece in zip([piece.at for piece in found.pieces], found.pieces, strict=True):
        before = b"".join(data for time, data in heard if time < at)
        assert arrived(way, before) < arrived(way, before + heard[int(at)][1]), piece


def arrived(way: str, data: bytes) -> int:
    """How many characters of the text are complete after so much of a reply; a whole one is, or is not."""
    body = Response().feed(data)
    if not WAYS[way].streamed:
        return len("".join(TOKENS)) if body.endswith(b"}") and data.endswith(replies()[way][-20:]) else 0
    events = body.split(b"\n\n")[:-1]
    return sum(len(token) for token in TOKENS for event in events if f'"{token}"'.encode() in event)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", "status 500: no"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "ended in the middle"),
        (b"", "status 0"),
    ],
)
def test_what_is_no_answer_is_told(way: Way, reply: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        got(way, [(0.0, reply)])


def test_an_error_amid_a_stream_is_what_the_api_said() -> None:
    with pytest.raises(ValueError, match="out of order"):
        list(Deltas().feed(b'data: {"error":{"message":"It is out of order."}}\n\n'))


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"choices": []}', b'{"choices": [{}]}', b"oops", b"7", b'{"cursor": 1}']
)
@pytest.mark.parametrize("way", ["sdk-whole", "whole"])
def test_a_reply_that_is_no_answer_is_told_and_raises_nothing_else(way: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        got(WAYS[way], [(0.0, counted(body))])


def test_no_answer_to_read_is_told() -> None:
    with pytest.raises(ValueError, match="did not start an answer"):
        Question("http://127.0.0.1:1", "m", "Why?").second(WAYS["sse"], b'{"detail": "no"}')


# What is planned.


def test_every_way_is_asked_by_every_crowd_in_every_run_and_in_another_order() -> None:
    runs = plan(Parameters(askers=(1, 10), runs=3))
    assert len({(run.way, run.askers, run.run) for run in runs}) == len(runs) == 4 * 2 * 3
    orders = [[(run.way, run.askers) for run in runs if run.run == number] for number in (1, 2, 3)]
    assert orders[0] != orders[1]


def test_a_crowd_asks_at_the_same_moments_in_every_way_and_within_a_second() -> None:
    due = times(Run("sse", 100, 1, 0), 5.0)
    assert due == times(Run("whole", 100, 1, 0), 5.0) == sorted(due)
    assert 5 <= due[0] < due[-1] <= 6
    assert times(Run("sse", 1, 1, 0), 5.0) == [5.0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--askers", "0"], "--askers must be from 1"),
        (["--runs", "0"], "--runs must be from 1"),
        (["--askers", "5", "5"], "names 5 twice"),
        (["--ways", "post"], "there is no 'post'"),
        (["--prompt", " "], "must not be empty"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["stream-or-not", "--out", str(tmp_path), *flags])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


# What is made of it.


def a_row(way: str, askers: int = 1, run: int = 1, **figures: Any) -> Row:
    """A row with plausible figures."""
    streamed = WAYS[way].streamed
    times = {"ttft_ms": 100.0 if streamed else 3000.0, "e2e_ms": 3000.0, "held_ms": 2999.0, "late_ms": 1.0}
    times |= {"tpot_ms": 12.0, "gap_ms": 12.0} if streamed else {}
    base: Row = {
        "transport": WAYS[way].transport,
        "variant": WAYS[way].variant,
        "way": way,
        "streamed": streamed,
        "client": "lean",
        "pinned": None,
        "run": run,
        "readers": askers,
        "poll_ms": None,
        "token_ms": 0,
        "unit": "token",
        "cookie_bytes": 0,
        "tls": False,
        "deflate": False,
        "server_cpu": 0.5,
        "client_cpu": [0.1],
        "saturated": False,
        "void": None,
        "answers": askers,
        "failed": 0,
        "error": None,
        "tokens": 298 * askers,
        "texts": 1,
        "text_bytes": 400,
        "tpot_ms": None,
        "gap_ms": None,
        **{name: {"p50": figures.pop(name, value)} for name, value in times.items()},
        "bytes_up": 300 * askers,
        "bytes_down": (60_000 if streamed else 1000) * askers,
        "read_ms": [100.0, 200.0, 3000.0] if streamed else [3000.0],
        "cpu_ms_per_answer": None if askers == 1 else 9.0 if streamed else 2.0,
        "cpu_note": None,
        "memory_bytes_per_asker": None if askers == 1 else 30_000,
    }
    return base | figures


def a_document(rows: list[Row], model: str = SCRIPT) -> dict[str, Any]:
    made = document("stream-or-not", "python -m lab stream-or-not", {}, {"model": model, "prompt": PROMPT})
    return made | {"rows": rows, "complete": True}


def by_claim(rows: list[Row], model: str = SCRIPT) -> dict[str, str]:
    return {each["claim"]: each["verdict"] for each in verdicts(a_document(rows, model))}


def test_the_claims_are_judged_by_what_was_measured_and_by_nothing_else() -> None:
    rows = [a_row(way, askers, run) for way in WAYS for askers in (1, 100) for run in (1, 2, 3)]
    assert by_claim(rows) == {"C19": "depends", "C20": "depends", "C21": "holds", "C22": "holds"}
    slower = [a_row(way, run=run, e2e_ms=2000.0 if WAYS[way].streamed else 3000.0) for way in WAYS for run in (1, 2, 3)]
    assert by_claim(slower)["C19"] == "holds"
    published = [a_row(way, e2e_ms=4400.0, held_ms=4400.0, ttft_ms=310.0) for way in WAYS]
    assert by_claim(published)["C22"] == "depends"
    assert by_claim([])["C20"] == by_claim([a_row("sse")])["C20"] == "not measured"
    assert set(CLAIMS) == {"C19", "C20", "C21", "C22"}


def test_c20_is_not_judged_without_cpu_and_c22_not_of_another_question() -> None:
    alone = [a_row(way, run=run) for way in WAYS for run in (1, 2, 3)]
    (cheaper,) = [each for each in verdicts(a_document(alone)) if each["claim"] == "C20"]
    assert cheaper["verdict"] == "depends"
    assert "Not measured: ms of server CPU per answer" in cheaper["because"]
    assert by_claim(alone, "off-work")["C22"] == "not measured"
    assert by_claim(alone, "gpt")["C22"] == "holds"


def test_of_answers_of_different_length_only_the_wait_is_compared() -> None:
    rows = [a_row(way, run=run, tokens=300 if WAYS[way].streamed else 200) for way in WAYS for run in (1, 2, 3)]
    found = {each["claim"]: each for each in verdicts(a_document(rows))}
    assert found["C21"]["verdict"] == "not measured"
    assert "bytes" not in found["C20"]["because"]
    assert "ms to the first text" in found["C20"]["because"]


def test_the_headline_says_what_one_waits_and_what_it_costs() -> None:
    found = a_document([a_row(way) for way in WAYS])
    first, second = shown.headlines(found)
    assert first == (
        "SDK, streamed: the first text after 0.1 s instead of 3 s, the last after 3 s either way, for 46.4 times the "
        "bytes."
    )
    assert second.startswith("SSE: ")
    assert "nothing to compare" in shown.headlines(found | {"rows": []})[0]


def test_a_report_can_be_made_of_anything_and_runs_nothing_of_it() -> None:
    hostile = "<script>alert(1)</script>"
    rows = [a_row("sse"), a_row("whole", void=hostile), a_row("sdk-whole", 100, variant=hostile, error=hostile)]
    for found in (rows, []):
        made = a_document(found, model=hostile)
        page = shown.report(made | {"verdicts": verdicts(made)}, Path())
        assert hostile not in page
        assert "How it was measured" in page


# For real.


def test_it_runs_small_and_its_figures_are_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seconds in (("IDLE_S", 0.6), ("SETTLE_S", 0.2)):
        monkeypatch.setattr(f"lab.stream_or_not.run.{name}", seconds)
    flags = ["--model", "off-work", "--askers", "1", "5", "--runs", "1", "--out", str(tmp_path)]
    assert main(["stream-or-not", *flags]) == 0
    found = read(tmp_path)
    rows = {(row["way"], row["readers"]): row for row in found["rows"]}
    assert set(rows) == {(way, askers) for way in WAYS for askers in (1, 5)}
    for (way, askers), row in rows.items():
        assert (row["answers"], row["failed"], row["error"], row["texts"]) == (askers, 0, None, 1)
        assert (row["tokens"], row["text_bytes"]) == (5 * askers, 15 * askers)
        assert row["client"].startswith("openai" if way.startswith("sdk") and askers == 1 else "lean")
        assert row["ttft_ms"]["p50"] <= row["e2e_ms"]["p50"]
        assert row["e2e_ms"]["p50"] >= 720  # 400 ms, and four times 80
        assert row["held_ms"]["p50"] >= 600
        assert (row["ttft_ms"] == row["e2e_ms"]) == (not WAYS[way].streamed) == (row["tpot_ms"] is None)
        assert row["bytes_up"] > 100 * askers
    for one, other in (("sdk-streamed", "sdk-whole"), ("sse", "whole")):
        assert rows[one, 5]["bytes_down"] > rows[other, 5]["bytes_down"]
    whole = [rows["sdk-whole", askers]["bytes_down"] / askers for askers in (1, 5)]
    assert whole[0] == whole[1]  # one was counted by the server's kernel, the other by the asker itself
    assert all(set(row) == set(a_row(way)) for (way, _), row in rows.items())
    out = capsys.readouterr().out
    assert "1 asking alone" in out
    assert {each["claim"] for each in found["verdicts"]} == set(CLAIMS)
    assert "When text comes" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", ["english", "one"])
def test_answers_of_any_length_and_none_at_all_make_rows(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one token there is no gap; and who is refused is told of, and the experiment goes on."""
    traces = tmp_path / "traces"
    traces.mkdir()
    (traces / "one.json").write_text('{"title": "", "how": "", "tokens": [[0, "Yes."]]}')
    monkeypatch.setattr("lab.stream_or_not.run.IDLE_S", 0.6)
    monkeypatch.setattr("lab.stream_or_not.run.SETTLE_S", 0.2)
    monkeypatch.setattr("lab.stream_or_not.run.Settings", partial(Settings, traces=str(traces), max_answer_s=5))
    monkeypatch.setattr("lab.stream_or_not.experiment.unusable", lambda *_: None)
    flags = ["--model", model, "--ways", "sse", "sdk-whole", "--askers", "2", "--runs", "1", "--out", str(tmp_path)]
    assert main(["stream-or-not", *flags]) == 0
    rows = read(tmp_path)["rows"]
    assert len(rows) == 2
    for row in rows:
        if model == "one":
            assert (row["answers"], row["tokens"], row["tpot_ms"], row["gap_ms"]) == (2, 2, None, None)
        else:
            assert "Nobody got an answer" in row["void"]


def test_a_server_that_dies_makes_a_row_and_the_experiment_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def dying(*_: Any) -> Any:
        raise LoadDied("It died.")

    monkeypatch.setattr("lab.stream_or_not.run._run", dying)
    flags = ["--model", "off-work", "--ways", "sse", "whole", "--askers", "1", "--runs", "1", "--out", str(tmp_path)]
    assert main(["stream-or-not", *flags]) == 1
    assert [row["void"] for row in read(tmp_path)["rows"]] == ["It died.", "It died."]
    assert "2 runs did not come to an end. It died." in capsys.readouterr().err


def test_an_address_with_a_password_never_gets_into_a_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["stream-or-not", "--model", "m", "--base-url", "http://me:pw@127.0.0.1/v1", "--out", str(tmp_path)])
    assert "must be an address alone" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_it_is_documented_with_every_key_of_its_rows() -> None:
    text = (ROOT / "docs" / "result.md").read_text(encoding="utf-8")
    section = text.split("## A row of `stream-or-not`")[1].split("\n## ")[0]
    shared = text.split("## A row: what was measured")[1].split("\n## ")[0]
    assert set(a_row("sse")) <= set(re.findall(r"`(\w+)`", shared + section))
    assert {"way", "streamed", "client", "held_ms", "cpu_ms_per_answer"} <= set(re.findall(r"`(\w+)`", section))
    assert command_line().parse_args(["stream-or-not"])
    assert {variant for pair in PAIRS for variant in pair} == {way.variant for way in WAYS.values()}
