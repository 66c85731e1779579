"""The load experiment: small crowds of real processes, and the arithmetic with known inputs."""

import asyncio
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from rich.progress import Progress

from clients.chunk import Chunk
from lab import load
from lab.crowd import row as row_module
from lab.crowd import run as crowd
from lab.crowd import schedule
from lab.crowd.account import HISTOGRAMS, SUMS, delivered, record, total
from lab.crowd.processes import LoadDied, load_processes
from lab.crowd.row import Noted, Span, row
from lab.crowd.run import measure
from lab.crowd.schedule import Crowd
from lab.load import Parameters, capacity, plan
from lab.session import variants
from lab.spread import Histogram
from lab.subject import SubjectDied
from server.transports import TRANSPORTS
from tests.conftest import Start

ROOT = Path(__file__).parent.parent
READERS, TOKENS = 20, 8

Row = dict[str, Any]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are over soon, and are not void because the machine is busy with other things."""
    monkeypatch.setattr(crowd, "SETTLE_S", 0.4)
    monkeypatch.setattr(schedule, "SETTLE_S", 0.4)
    monkeypatch.setattr(schedule, "IDLE_S", 0.3)
    monkeypatch.setattr(load, "LEAST_TOKENS", TOKENS)
    monkeypatch.setattr(load, "MOST_TOKENS", TOKENS)
    monkeypatch.setattr(row_module, "LEAST_IDLE_S", 0)
    monkeypatch.setattr(row_module, "MOST_JITTER_MS", 60_000)


def a_crowd(name: str, **changes: Any) -> Crowd:
    (variant,) = variants([name], [50])
    return replace(Crowd(variant, READERS, 1, TOKENS, 50.0, 1, 0, 100.0), **changes)


def unwatched(_phase: str, _done: float, _of: float) -> None:
    pass


@pytest.mark.usefixtures("small")
async def test_a_run_measures_what_a_crowd_costs(name: str) -> None:
    found = await measure(a_crowd(name, processes=2), unwatched)
    assert found["void"] is None
    assert (found["transport"], found["readers"], len(found["client_cpu"])) == (name, READERS, 2)
    assert (found["missing_tokens"], found["error"], found["tokens"]) == (0, None, READERS * TOKENS)
    assert found["connections"] == READERS
    assert found["requests"] >= READERS
    assert READERS <= found["chunks"] <= READERS * TOKENS
    assert found["bytes_down"] > found["text_bytes"] > READERS * TOKENS
    assert found["framing_bytes"] > 0
    assert found["server_cpu"] > 0
    assert [connections for connections, _ in found["memory_points"]] == [0, 5, 10, 15, 20]
    assert all(bytes_ > 10_000_000 for _, bytes_ in found["memory_points"])
    assert found["corrected_lag_ms"]["mean"] == pytest.approx(
        found["lag_ms"]["mean"] + found["jitter_ms"]["mean"], rel=0.05, abs=0.1
    )
    assert len(Histogram.decode(found["histograms"]["lag_us"])) == READERS * TOKENS
    assert len(Histogram.decode(found["histograms"]["itl_us"])) == READERS * (TOKENS - 1)


async def test_what_a_load_process_adds_up_is_what_the_ledger_says(
    name: str, start: Start, server: str, http: aiohttp.ClientSession
) -> None:
    paths = [(await start(text="a b c d", unit="word", first_token_ms=1500, token_ms=10))["self"] for _ in range(3)]
    order = {
        "server": server,
        "answers": [path.rpartition("/")[2] for path in paths],
        "phases_s": [0.0] * 3,
        "tokens": 4,
        "transport": name,
        "poll_ms": 20,
    }
    now = asyncio.get_running_loop().time()
    async with load_processes(1) as (process,):
        await process.ready()
        await process.carry_out(order, ignored)
        await process.carry_out({"connect": 3}, ignored)
        await process.carry_out({"read_at": now, "until": now + 20}, ignored)
        found = await process.carry_out({"account": True}, ignored)
    rows = [(await (await http.get(f"{path}/ledger")).json())["rows"][0] for path in paths]
    assert found["ledger"] == total(rows)
    assert found["ledger"]["bytes_down"] == sum(each["bytes_down"] for each in rows) > 0
    assert (found["missing_tokens"], found["ledger"]["tokens"]) == (0, 12)


def ignored(_: int) -> None:
    pass


@pytest.mark.usefixtures("small")
async def test_a_run_whose_load_process_was_saturated_is_void_and_holds_no_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_module, "MOST_CLIENT_CPU", 0.001)
    found = await measure(a_crowd("sse"), unwatched)
    assert "A load process used" in found["void"]
    assert found["client_cpu"][0] > 0.001
    assert found["jitter_ms"]["max"] > 0
    assert not found.keys() & {"lag_ms", "corrected_lag_ms", "bytes_down", "cpu_us_per_token", "objective_met"}


class Stage(Progress):
    """A progress that nobody sees, and that tells when it comes to a phase of a run."""

    def __init__(self, run: str, phase: str) -> None:
        super().__init__(disable=True)
        self.run, self.phase, self.reached = run, phase, asyncio.Event()

    def update(self, *arguments: Any, **changes: Any) -> None:
        super().update(*arguments, **changes)
        running, *rest = (task.description for task in self.tasks)
        if self.run in running and self.phase in rest:
            self.reached.set()


async def kill(program: str, stage: Stage) -> None:
    """Kill our process that runs `program` when that stage is reached."""
    await stage.reached.wait()
    for child in psutil.Process().children():
        if program in child.cmdline():
            child.kill()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("program", "at", "error", "sentence"),
    [
        ("lab.served", "typing", SubjectDied, "The server was ended by SIGKILL"),
        ("lab.served", "connecting", SubjectDied, "The server was ended by SIGKILL"),
        ("lab.crowd.reader", "typing", LoadDied, r"Load process \d+ ended with exit status -9"),
    ],
)
async def test_a_process_that_dies_in_a_run_ends_the_experiment_in_a_sentence_and_the_rows_before_are_kept(
    program: str, at: str, error: type[Exception], sentence: str
) -> None:
    rows: list[Row] = []
    parameters = Parameters(readers=(3,), transports=("sse", "websocket"), runs=1, token_ms=80)
    with Stage("run 2", at) as progress:
        killing = asyncio.create_task(kill(program, progress))
        with pytest.raises(error, match=sentence):
            await load.load(parameters, rows.append, progress)
        await killing
    assert len(rows) == 1
    assert rows[0]["void"] is None


def programs_running() -> set[str]:
    """What the processes that were started from here run, word by word."""
    return {argument for child in psutil.Process().children() for argument in child.cmdline()}


@pytest.mark.usefixtures("small")
async def test_stopping_in_the_middle_leaves_no_process_behind() -> None:
    with Stage("run 1", "typing") as progress:
        parameters = Parameters(readers=(3,), transports=("sse",), runs=1)
        loading = asyncio.create_task(load.load(parameters, print, progress))
        await progress.reached.wait()
        programs = {argument for child in psutil.Process().children() for argument in child.cmdline()}
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
    assert {"lab.served", "lab.crowd.reader"} <= programs
    assert {"lab.served", "lab.crowd.reader"}.isdisjoint(programs_running())


async def test_a_load_process_says_what_it_cannot_do(server: str) -> None:
    order = {"server": server, "answers": ["0" * 32], "phases_s": [0.0], "tokens": 1, "transport": "sse", "poll_ms": 0}
    async with load_processes(1) as (process,):
        await process.ready()
        await process.carry_out(order, ignored)
        with pytest.raises(LoadDied, match="could not go on: 404"):
            await process.carry_out({"connect": 1}, ignored)


async def test_a_load_process_ends_with_its_input_even_while_its_readers_read(start: Start, server: str) -> None:
    path = (await start(text="a b c", first_token_ms=60_000))["self"]
    order = {"server": server, "answers": [path.rpartition("/")[2]], "phases_s": [0.0], "tokens": 3, "poll_ms": 0}
    async with load_processes(1) as (process,):
        await process.ready()
        await process.carry_out(order | {"transport": "sse"}, ignored)
        await process.carry_out({"connect": 1}, ignored)
        reading = asyncio.create_task(process.carry_out({"read_at": 0, "until": 1e9}, ignored))
        await asyncio.sleep(0)
        process.process.stdin.close()  # type: ignore[union-attr]
        with pytest.raises(LoadDied, match="ended with exit status 0"):
            await reading


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_few_files_are_refused_with_the_command_that_allows_more() -> None:
    code = (
        "import resource, lab.load as load\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))\n"
        "load.allow_files(200); print(resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "try: load.allow_files(1000)\n"
        "except load.TooFewFiles as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    allowed, sentence = done.stdout.splitlines()
    assert allowed == "(300, 300)"
    assert "1000 readers need 1100 open files" in sentence
    assert "allows 300" in sentence
    assert "ulimit -n 1100" in sentence


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"readers": (100, 0)}, "readers must be from 1 to 10000, not 0"),
        ({"readers": (-5,)}, "not -5"),
        ({"readers": (1_000_000,)}, "not 1000000"),
        ({"readers": ()}, "--readers is empty"),
        ({"transports": ()}, "--transports is empty"),
        ({"transports": ("sse", "pigeon")}, "no transport 'pigeon'. There are polling,"),
        ({"runs": 0}, "runs must be"),
        ({"processes": 0}, "processes must be"),
        ({"token_ms": 0.0}, "--token-ms must be"),
        ({"token_ms": float("nan")}, "not nan"),
        ({"objective_ms": float("inf")}, "not inf"),
    ],
)
def test_wrong_parameters_are_refused_by_name(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Parameters(**wrong)


def test_every_transport_meets_every_number_of_readers_once_in_each_run() -> None:
    crowds = plan(Parameters(readers=(1, 200, 1000), runs=3, processes=2))
    for run in (1, 2, 3):
        cases = [(each.variant.transport, each.readers) for each in crowds if each.run == run]
        assert sorted(cases) == sorted((name, readers) for name in TRANSPORTS for readers in (1, 200, 1000))
    assert {each.readers: each.tokens for each in crowds} == {1: 200, 200: 100, 1000: 30}
    assert {each.readers: each.processes for each in crowds} == {1: 1, 200: 2, 1000: 2}


TIMELINE = [{"text": text, "due_ms": at, "appended_ms": at + 1} for text, at in (("a", 100), ("b", 200), ("c", 300))]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_token_of_a_chunk_came_when_the_chunk_came() -> None:
    histograms = {name: Histogram() for name in HISTOGRAMS}
    heard = [(0.05, Chunk(0, "")), (0.111, Chunk(1, "a")), (0.311, Chunk(3, "bc")), (0.4, Chunk(4, "", "finished"))]
    record(heard, TIMELINE, histograms)
    found = {name: histogram.summary() for name, histogram in histograms.items()}
    assert found["lag_us"]["max"] == pytest.approx(110, rel=0.01)
    assert found["lag_us"]["p50"] == pytest.approx(10, rel=0.01)
    assert found["corrected_lag_us"]["mean"] == pytest.approx((11 + 111 + 11) / 3, rel=0.01)
    assert found["itl_us"]["max"] == pytest.approx(200, rel=0.01)
    assert len(histograms["itl_us"]) == 2
    assert found["jitter_us"]["max"] == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("heard", "count"),
    [
        ([], 0),
        ([Chunk(1, "a"), Chunk(3, "bc"), Chunk(4, "", "finished", digest("abc"))], 3),
        ([Chunk(4, "abc", "finished", digest("abc"))], 3),
        ([Chunk(1, "a"), Chunk(2, "b")], 2),
        ([Chunk(1, "a"), Chunk(3, "cb")], 0),
        ([Chunk(1, "a"), Chunk(3, "b"), Chunk(4, "", "finished", digest("abc"))], 0),
        ([Chunk(4, "abc", "finished", digest("abd"))], 0),
    ],
    ids=["nothing", "whole", "at once", "cut off", "in disorder", "with a hole", "other than its digest"],
)
def test_only_tokens_that_came_in_order_and_as_written_were_delivered(heard: list[Chunk], count: int) -> None:
    assert delivered([(0.0, chunk) for chunk in heard], TIMELINE) == count


def noted(**changes: Any) -> Noted:
    """A run of 1000 readers with 20 tokens each, of which all figures are known."""
    histograms = {name: Histogram() for name in HISTOGRAMS}
    for histogram in histograms.values():
        histogram.record(2)
    counted = dict.fromkeys((*SUMS, "source"), 0) | {"tokens": 20_000, "bytes_down": 1_000_000}
    result: Row = {
        "missing_tokens": 0,
        "envelope_bytes": 10,
        "error": None,
        "ledger": counted,
        "histograms": histograms,
    }
    points = [(0, 1_000_000), (500, 6_000_000), (1000, 11_000_000)]
    given = Noted(Span(2, 0.2), Span(10, 3), points, 31_000_000, [0.5], result)
    return replace(given, **changes)


def test_cpu_per_token_is_without_that_of_as_much_idling() -> None:
    found = row(a_crowd("sse", readers=1000, tokens=20), noted())
    assert found["cpu_us_per_token"] == 100  # (3 s - 10 s * 0.1) / 20 000
    assert found["server_cpu"] == 0.3
    assert found["text_bytes"] == 1000 * len(a_crowd("sse", tokens=20).text)
    assert found["overhead_factor"] == pytest.approx(1_000_000 / found["text_bytes"], abs=0.001)


def test_memory_per_connection_is_a_slope_when_idle_and_all_that_was_added_when_active() -> None:
    found = row(a_crowd("sse", readers=1000, tokens=20), noted())
    assert found["memory_bytes_per_connection"] == {"idle": 10_000, "active": 30_000}


def test_what_is_no_larger_than_noise_is_not_quoted() -> None:
    found = row(a_crowd("sse", readers=99, tokens=200), noted())
    assert found["cpu_us_per_token"] is None
    assert "these were 19800" in found["cpu_note"]
    assert found["memory_bytes_per_connection"] == {"idle": None, "active": None}


def test_an_answer_that_came_in_part_has_no_cost() -> None:
    found = row(a_crowd("sse"), noted(result={**noted().result, "missing_tokens": 7, "error": "It broke."}))
    assert not found["objective_met"]
    assert found["missing_tokens"] == 7
    assert "bytes_down" not in found


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_cpu": [0.2, 0.81]}, "A load process used 0.81 cores"),
        ({"idle": Span(0.5, 0)}, "no idle time was left"),
    ],
)
def test_an_overloaded_instrument_voids_the_run(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in row(a_crowd("sse"), noted(**changes))["void"]


def test_a_source_that_is_typically_late_voids_the_run_and_one_that_pauses_does_not() -> None:
    late, pausing = noted(), noted()
    for _ in range(1000):
        late.result["histograms"]["jitter_us"].record(5.1)
        pausing.result["histograms"]["jitter_us"].record(0.5)
    pausing.result["histograms"]["jitter_us"].record(500)
    found = row(a_crowd("sse"), late)
    assert "half of the tokens were more than 5.1 ms late" in found["void"]
    assert "lag_ms" not in found
    assert row(a_crowd("sse"), pausing)["void"] is None


def outcome(readers: int, p95: float = 1.0, missing: int = 0, void: str | None = None) -> Row:
    kept = {"missing_tokens": missing, "error": None, "corrected_lag_ms": {"p95": p95}}
    return {"transport": "sse", "readers": readers, "void": void} | ({} if void else kept)


@pytest.mark.parametrize(
    ("rows", "readers", "limited_by"),
    [
        ([outcome(1), outcome(100), outcome(100)], 100, "At least 100: more were not tried."),
        (
            [outcome(1000, 101), outcome(500), outcome(500, 99), outcome(1000)],
            500,
            "With 1000 readers: p95 of corrected lag was 101.0 ms, above 100 ms.",
        ),
        ([outcome(1), outcome(10, missing=3)], 1, "With 10 readers: 3 tokens did not arrive."),
        ([outcome(1), outcome(10), outcome(10, void="Too busy.")], 1, "With 10 readers: void. Too busy."),
        ([outcome(1, 150), outcome(10, 160)], None, "With 1 readers: p95 of corrected lag was 150.0 ms, above 100 ms."),
    ],
)
def test_capacity_is_the_largest_crowd_that_kept_the_objective_in_every_run(
    rows: list[Row], readers: int | None, limited_by: str
) -> None:
    assert capacity(rows, 100) == {"sse": {"readers": readers, "limited_by": limited_by}}
