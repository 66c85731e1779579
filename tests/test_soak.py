"""The soak: the accounting and the verdicts with known inputs, and a small one for real that has something to find."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Chunk, Client, Refused, StreamError
from clients.course import Trouble
from lab.command_line import main
from lab.experiment import carry_out
from lab.faults.tokens import Fate
from lab.report.soak import headlines, report, table
from lab.report.soak_charts import charts
from lab.result import SAMPLE, BadResult, Row, document, read, write
from lab.soak import experiment, verdict
from lab.soak.account import LEAST_WORDS, MOST_WORDS, NO_END, OTHER_TEXT, UNIT, Reading, Tally, text_of
from lab.soak.experiment import Parameters, soak
from lab.soak.readers import Crowd, resumed
from lab.soak.readers import read as read_answer
from lab.subject import serving
from server.settings import Settings
from server.sources.typewriter import split
from server.transports import TRANSPORTS
from tests.test_result import section

TEXT = "Reader 1, answer 1: a b c"
TOKENS = split(TEXT, UNIT)


def dice(seed: int = 0) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same texts each time


# What the readers got.


def test_no_two_answers_have_the_same_text() -> None:
    texts = [text_of(reader, answer, dice(reader)) for reader in range(1, 40) for answer in range(1, 5)]
    assert len(set(texts)) == len(texts)
    assert len({text.partition(":")[2] for text in texts}) >= 39
    assert all(LEAST_WORDS <= len(split(text, UNIT)) <= 2 * MOST_WORDS for text in texts)


def single(at: int) -> Chunk:
    """What a stream brings for one token."""
    return Chunk(at + 1, TOKENS[at])


def end(text: str = TEXT, done: str = "finished", error: str | None = None) -> Chunk:
    return Chunk(len(TOKENS) + 1, "", done, hashlib.sha256(text.encode()).hexdigest(), error)


WHOLE = [*map(single, range(len(TOKENS))), end()]


def tally(used: list[Chunk], **fields: Any) -> Row:
    """The row of one reading."""
    counted = Tally()
    again = fields.pop("again", 0)
    reading = Reading(TEXT, used, sum(len(chunk.text.encode()) for chunk in used) + again, 1, **fields)
    counted.add(reading)
    return counted.row("sse", 1, None)


def test_a_whole_answer_is_whole_and_what_was_read_again_is_told() -> None:
    found = tally(WHOLE, again=7)
    assert found["ok"] == found["tokens"] == len(TOKENS)
    expected = {"answers": 1, "lost": 0, "gave_up": 0, "left": 0, "says": None, "read_again_bytes": 7, "requests": 1}
    assert found.items() >= expected.items()


@pytest.mark.parametrize(
    ("used", "fate", "count"),
    [
        ([*WHOLE[:2], *WHOLE[3:]], "lost_middle", 1),
        (WHOLE[1:], "lost_prefix", 1),
        ([*WHOLE[:-2], WHOLE[-1]], "lost_end", 1),
        ([*WHOLE[:3], *WHOLE[2:]], "duplicate", 1),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], "reordered", 1),
        ([Chunk(1, "Theirs"), *WHOLE[1:]], "divergent", 1),
    ],
)
def test_what_a_reader_missed_or_got_twice_is_counted(used: list[Chunk], fate: str, count: int) -> None:
    found = tally(used)
    assert found[fate] == count
    assert found["ok"] == len(TOKENS) - count
    assert verdict.wrong({"rows": [found]})


def test_of_an_answer_that_was_left_only_what_came_until_then_counts() -> None:
    found = tally(WHOLE[:3], left=True)
    assert (found["tokens"], found["ok"], found["lost"], found["left"], found["gave_up"]) == (3, 3, 0, 1, 0)
    assert tally([], left=True)["tokens"] == 0
    assert tally([WHOLE[0], WHOLE[2]], left=True)["lost_middle"] == 1


@pytest.mark.parametrize(
    ("used", "says", "sentence"),
    [
        (WHOLE[:-1], None, NO_END),
        ([], None, NO_END),
        ([*WHOLE[:-1], end("another text")], None, OTHER_TEXT),
        ([*WHOLE[:-1], end(done="failed", error="The source broke.")], None, "The source broke."),
        (WHOLE[:2], "It is gone.", "It is gone."),
    ],
)
def test_an_answer_without_its_end_was_given_up(used: list[Chunk], says: str | None, sentence: str) -> None:
    found = tally(used, says=says)
    assert found["gave_up"] == 1
    assert found["says"].startswith(sentence)
    assert "1 answer not read to the end (sse)" in str(verdict.wrong({"rows": [found]}))


def test_cuts_are_counted_and_how_long_it_took_to_come_back() -> None:
    counted = Tally()
    for trouble in (Trouble(3, 1, 0.0, False), Trouble(3, 2, 0.2, False), Trouble(3, 2, 0.5, True)):
        counted.note(trouble)
    found = counted.row("sse", 1, None)
    assert found["cuts"] == 2
    assert found["recovery_ms"]["max"] == pytest.approx(500, rel=0.01)
    assert Tally().row("sse", 1, None)["recovery_ms"] is None


def of(chunks: list[Chunk | Exception]) -> Client:
    """A client that brings these, and goes on after an error as the next request."""
    rest = iter(chunks)

    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        for chunk in rest:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    return client


async def test_a_reader_notes_what_crossed_and_why_it_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.resume.pause", lambda _: 0.0)
    reading, counted = Reading(TEXT), Tally()
    chunks: list[Chunk | Exception] = [*WHOLE[:2], StreamError("cut"), WHOLE[1], *WHOLE[2:]]
    await read_answer(resumed(of(chunks), reading, counted), "", reading, None)
    counted.add(reading)
    found = counted.row("sse", 1, None)
    assert (found["ok"], found["cuts"], found["gave_up"], found["requests"]) == (len(TOKENS), 1, 0, 2)
    assert found["read_again_bytes"] == len(TOKENS[1])
    refused = Reading(TEXT)
    await read_answer(resumed(of([Refused(404, "It is gone.")]), refused, counted), "", refused, None)
    assert refused.fault() == "It is gone."


async def test_who_leaves_or_is_stopped_has_left() -> None:
    async def silent(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        yield WHOLE[0]
        await asyncio.Event().wait()

    leaving, stopped = Reading(TEXT), Reading(TEXT)
    await read_answer(resumed(silent, leaving, Tally()), "", leaving, 0.01)
    task = asyncio.create_task(read_answer(resumed(silent, stopped, Tally()), "", stopped, None))
    while not stopped.used:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for reading in (leaving, stopped):
        assert (reading.left, reading.used, reading.fault()) == (True, WHOLE[:1], None)


def test_readers_are_spread_over_transports() -> None:
    assert sum(Crowd(list(TRANSPORTS), 2000, 1.0, 0).sizes().values()) == 2000
    assert Crowd(["sse", "whole"], 3, 1.0, 0).sizes() == {"sse": 2, "whole": 1}


# What was left behind.

HELD = {"tasks": 1, "sockets": 3, "open_files": 7, "reader_sockets": 2}
AFTER = HELD | {"relayed": 0, "typing": 0, "readers": 0, "kept": 0}


def sample(at_s: float = 0.0, **fields: Any) -> Row:
    """A sample of a soak."""
    known: Row = {"at_s": at_s, "memory_bytes": 100 * verdict.MIB, "answers": 0} | AFTER
    known |= {"cuts": {"fin": 1, "rst": 2}, "cpu_s": {"server": at_s / 2}}
    del known["kept"]
    return known | fields


@pytest.mark.parametrize(
    ("name", "observed"),
    [
        ("tasks", verdict.TASKS),
        *((name, verdict.SOCKETS) for name in ("sockets", "open_files", "reader_sockets", "relayed")),
        *((name, verdict.ANSWERS) for name in ("typing", "readers", "kept")),
    ],
)
def test_whatever_is_left_behind_is_found(name: str, observed: str) -> None:
    assert verdict.settled(HELD, AFTER)
    after = AFTER | {name: AFTER[name] + 1}
    assert not verdict.settled(HELD, after)
    observations = verdict.left_behind(HELD, [sample(tasks=9)], after)
    assert [one["id"] for one in observations if not one["holds"]] == [observed]
    assert f": {observed} (" in str(verdict.wrong({"rows": [], "observations": observations}))


def growing(each_s: float, each_answer: float) -> list[Row]:
    """A minute of samples, with 50 answers a second."""
    return [
        sample(at, answers=at * 50, memory_bytes=round(100 * verdict.MIB + each_s * at + each_answer * at * 50))
        for at in range(60)
    ]


@pytest.mark.parametrize(
    ("samples", "holds"),
    [
        (growing(0, 0), True),
        (growing(0, 1500), True),
        (growing(-(10**6), 0), True),
        (growing(0, 2200), False),
        (growing(0.3 * verdict.MIB, 0), False),
        ([one | {"answers": 10**6 * one["at_s"]} for one in growing(0.3 * verdict.MIB, 0)], False),
    ],
    ids=["level", "a little", "less", "by answer", "by time", "by more than a share"],
)
def test_memory_is_flat_or_is_not(samples: list[Row], holds: bool) -> None:
    assert verdict.memory(samples, 10, 60).get("holds") is holds


def test_memory_is_judged_only_between_warming_up_and_the_end() -> None:
    steep = [sample(at, memory_bytes=at * 10**8) for at in range(20)]
    level = [sample(at) for at in range(20, 40)]
    assert verdict.memory([*steep, *level], 20, 40).get("holds") is True
    assert verdict.memory([*level, sample(41, memory_bytes=10**12)], 20, 40).get("holds") is True
    assert "too short" in verdict.memory(level, 35, 40)["says"]
    assert "holds" not in verdict.memory(level, 35, 40)
    assert Parameters().warm_up_s + 4 * verdict.LEAST_SAMPLES * experiment.SAMPLE_S / 2 <= Parameters().time_s


def test_complaints_are_told_and_a_soak_without_cuts_shows_nothing() -> None:
    assert verdict.log({"server": "", "relay (fin)": "\n"})["holds"] is True
    found = verdict.log({"server": "Traceback\nValueError: 7\n"})
    assert (found["holds"], "ValueError: 7" in found["says"]) == (False, True)
    assert verdict.cuts(sample(), complete=True)["holds"] is True
    none = sample(cuts={"fin": 0, "rst": 5})
    assert verdict.cuts(none, complete=True)["holds"] is False
    assert verdict.cuts(none, complete=False)["holds"] is None


def test_cores_are_those_between_the_first_sample_and_the_last() -> None:
    assert "server 0.50" in verdict.cores([sample(2), sample(3), sample(12)])["says"]
    assert "server 0.00" in verdict.cores([sample(2)])["says"]


# How it is shown.


def found(rows: list[Row], observations: list[Row] | None = None, **fields: Any) -> dict[str, Any]:
    """A document of these."""
    made = document("soak", "python -m lab soak", {}, {"minutes": 2.0})
    return made | {"rows": rows, "observations": observations or [], "complete": True} | fields


GOOD = verdict.left_behind(HELD, [], AFTER)


def test_the_verdict_is_a_sentence_of_what_was_counted() -> None:
    rows = [tally(WHOLE) | {"cuts": 1200}, tally(WHOLE) | {"transport": "whole"}]
    assert headlines(found(rows, GOOD)) == [
        "2 readers, 2 answers, cut off 1,200 times in 2 min: nothing lost, nothing twice, nothing left behind."
    ]
    bad = verdict.left_behind(HELD, [], AFTER | {"tasks": 2})
    worse = headlines(found([tally(WHOLE[1:]), tally([*WHOLE[:3], *WHOLE[2:]])], bad))
    assert worse[0].endswith("1 token lost, 1 token twice, something left behind.")
    assert worse[1].startswith("Not as it must be: 1 token lost (sse)")


def test_of_a_soak_that_was_stopped_nothing_is_said_that_was_not_seen() -> None:
    (said,) = headlines(found([tally(WHOLE)], complete=False, note="Stopped by Ctrl-C after 1 answer."))
    assert "nothing lost" in said
    assert "nothing left behind" not in said
    assert headlines(found([])) == ["Nothing was read, so there is nothing to say."]


def test_terminal_and_page_show_all_and_run_nothing_of_it() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    row = tally(WHOLE, says=hostile)
    observed = {"id": hostile, "says": hostile, "holds": False}
    made = found([row, row | {"transport": hostile}], [observed], samples=[sample(0), sample(2)], note=hostile)
    out = StringIO()
    Console(file=out, width=80).print(table(made))
    assert "\x1b[2J" not in out.getvalue()
    page = report(made, Path())
    assert "<script>alert" not in page
    assert all(f'data-chart="{name}"' in page for name in charts(made))


@pytest.mark.parametrize("rows", [[], [{"transport": "carrier pigeon"}], [tally([]), {"transport": "sse", "cuts": 1}]])
@pytest.mark.parametrize("samples", [[], [sample()], [sample(0), sample(0), sample(2, cuts={"glue": 1}, cpu_s={})]])
def test_any_result_can_be_read_and_shown(rows: list[Row], samples: list[Row], tmp_path: Path) -> None:
    made = found(rows, [{"id": "x", "says": "y"}], samples=samples)
    write(tmp_path, made)
    assert read(tmp_path) == made
    Console(file=StringIO()).print(table(made))
    assert "</html>" in report(made, tmp_path)


def test_a_line_falls_when_nothing_is_held_any_more() -> None:
    samples = [sample(0, sockets=3), sample(2, sockets=900), sample(4, cuts={"fin": 9, "rst": 2})]
    drawn = charts(found([], samples=samples))
    (held,) = (values for values in drawn["held"]["datasets"].values() if len(values) > 1)
    assert [point["y"] for point in held if point["line"] == "sockets"] == [3, 900, 3]
    (cuts,) = (values for values in drawn["cuts"]["datasets"].values() if len(values) > 1)
    assert [point["y"] for point in cuts if point["line"].startswith("closed")] == [0, 4]


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        ({}, "its `samples` are not what they should be"),
        ([sample(), 1], "sample 2 is no object"),
        ([sample(cuts=1)], "cuts of sample 1 is '1'"),
        ([{"at_s": 1}], "sample 1 has no "),
    ],
)
def test_damaged_samples_are_refused(samples: Any, sentence: str, tmp_path: Path) -> None:
    write(tmp_path, found([], samples=samples))
    with pytest.raises(BadResult, match=sentence):
        read(tmp_path)


def test_the_documentation_lists_exactly_the_keys_there_are() -> None:
    assert section("A row of `soak`") == set(tally(WHOLE)) - {fate.value for fate in Fate} - {"lost"}
    assert section("`samples`") == set(SAMPLE) == set(sample())


# For real.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are forgotten soon, so that it is soon over; and nobody is away for so long."""
    monkeypatch.setattr(experiment, "KEEP_S", 3)
    monkeypatch.setattr(experiment, "SAMPLE_S", 0.2)
    monkeypatch.setattr("clients.resume.pause", lambda _: 0.02)


def dropping(client: Client) -> Client:
    """A client with a fault: it never passes on the fifth chunk with text."""

    async def read(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        texts = 0
        async for chunk in client(url, cursor):
            texts += bool(chunk.text)
            if texts != 5 or not chunk.text or chunk.done:
                yield chunk

    return read


@pytest.mark.usefixtures("hasty")
def test_a_soak_finds_the_one_client_that_drops_a_chunk_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CLIENTS, "sse", dropping(CLIENTS["sse"]))
    parameters = Parameters(readers=30, minutes=0.02, token_ms=25, cut_every=10_000)

    async def measure(keep: Any, progress: Progress) -> None:
        await soak(parameters, keep, progress)

    assert carry_out("soak", "python -m lab soak", parameters, measure, tmp_path) == 1
    result = read(tmp_path)
    assert result["complete"]
    assert result["note"].startswith("Not as it must be: ")
    rows = {row["transport"]: row for row in result["rows"]}
    assert list(rows) == list(TRANSPORTS)
    assert rows["sse"]["lost_middle"] > 0
    for name, row in rows.items():
        assert row["answers"] >= row["readers"] == 5
        if name != "sse":
            assert (row["ok"], row["gave_up"], row["says"]) == (row["tokens"], 0, None)
    assert sum(row["cuts"] for row in rows.values()) > 0
    assert [one for one in result["observations"] if one.get("holds") is False] == []
    assert {one["id"] for one in result["observations"] if "holds" in one} >= {*verdict.LEFT, verdict.LOG, verdict.CUTS}
    assert len(result["samples"]) > 2
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("hasty")
async def test_a_soak_that_is_stopped_tells_what_it_has_seen() -> None:
    kept: list[Row] = []
    enough = asyncio.Event()

    def keep(row: Row) -> None:
        kept.append(row)
        if row.get("answers") and "at_s" in row:
            enough.set()

    parameters = Parameters(readers=6, minutes=0.1, token_ms=10, transport=("sse", "polling"))
    with Progress(disable=True) as progress:
        soaking = asyncio.create_task(soak(parameters, keep, progress))
        await enough.wait()
        soaking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soaking
    rows = [row for row in kept if "transport" in row]
    assert [row["transport"] for row in rows] == ["sse", "polling"]
    assert sum(row["answers"] for row in rows) > 0
    assert all((row["lost"], row["gave_up"]) == (0, 0) for row in rows)
    assert not {row["id"] for row in kept if "id" in row} & set(verdict.LEFT)


async def test_the_server_counts_its_tasks_and_the_answers_in_its_memory() -> None:
    async def counted(process: asyncio.subprocess.Process) -> bytes:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"tasks kept\n")
        return await process.stdout.readline()

    async with serving(Settings(port=0, keep_s=0)) as subject:
        assert await counted(subject.process) == b'{"tasks": 1, "kept": 0}\n'
        async with answering(subject.url, text="a b", first_token_ms=60_000):
            assert b'"kept": 1' in await counted(subject.process)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["soak", "--readers", "0"], "--readers must be from 1 to 10000, not 0."),
        (["soak", "--minutes", "nan"], "--minutes must be"),
        (["soak", "--token-ms", "1"], "--token-ms must be from 10"),
        (["soak", "--cut-every", "5"], "--cut-every must be from 1000"),
        (["soak", "--transport", "pigeon"], "there is no 'pigeon'"),
        (["faults", "--fault", "earthquake"], "there is no 'earthquake'"),
        (["faults", "--fault", "cut", "cut"], "--fault names cut twice"),
        (["faults", "--token-ms", "0"], "--token-ms must be from 1"),
    ],
)
def test_wrong_usage_is_2_with_a_sentence(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert says in capsys.readouterr().err
