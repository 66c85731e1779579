"""Models and recorded answers: what a prompt starts, what can be recorded and replayed, and what is refused before."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import CLIENTS
from clients.chunk import Client
from lab.command_line import main
from lab.record import as_json, record, trace
from server.answer import Answer
from server.app import serving
from server.models import EMBEDDED
from server.pace import pace
from server.settings import Settings
from server.sources import Unavailable, embedded
from server.sources.presets import PRESETS, own
from server.sources.replay import BadTrace, Trace, replay
from tests.conftest import Start
from tests.test_contract import eventually, read, text

MODEL = Settings(port=0, first_token_ms=0, token_ms=0, model="english")


def ended(*arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code of `python -m server`, and what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")} | variables
    done = subprocess.run(
        [sys.executable, "-m", "server", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )
    return done.returncode, done.stderr


# A prompt.


@pytest.mark.parametrize("settings", [MODEL], ids=["model"])
async def test_a_prompt_is_answered_by_the_model_over_every_transport(name: str, client: Client, start: Start) -> None:
    chunks = await read(client, (await start(prompt="Why?"))[name])
    assert text(chunks) == PRESETS["english"].text
    assert chunks[-1].done == "finished"


@pytest.mark.parametrize("settings", [MODEL], ids=["model"])
async def test_a_prompt_can_be_asked_and_read_in_one_go(server: str, http: aiohttp.ClientSession) -> None:
    async with http.get("/whole?prompt=Why%3F") as response:
        assert (await response.json())["text"] == PRESETS["english"].text


@pytest.mark.parametrize("settings", [MODEL], ids=["model"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": 7}, "prompt must be a string, not a number"),
        ({"prompt": " \n"}, "prompt is empty"),
        ({"prompt": "\ud83d"}, "prompt holds half a character"),
        ({"prompt": "x" * 20_001}, "prompt has 20001 characters"),
        ({"prompt": "Why?", "preset": "edge"}, "prompt and preset exclude each other"),
        ({"prompt": "Why?", "token_ms": 5}, "prompt and token_ms exclude each other"),
    ],
)
async def test_a_prompt_that_is_none_is_refused(
    fields: dict[str, Any], words: str, http: aiohttp.ClientSession
) -> None:
    async with http.post("/answers", json=fields) as response:
        assert response.status == 400
        assert words in (await response.json(content_type=None))["detail"]


@pytest.mark.parametrize("settings", [MODEL], ids=["model"])
async def test_what_the_source_says_is_told_beside_the_text(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(prompt="Why?")
    await read(CLIENTS["whole"], links["whole"])
    async with http.get(links["self"]) as response:
        source = (await response.json())["source"]
    assert (source["model"], source["finish_reason"]) == ("english", "stop")
    assert source["gap_ms"]["p50"] == 0
    async with http.get((await start(text="x"))["self"]) as response:
        assert "source" not in await response.json()


@given(st.lists(st.floats(0, 1000), min_size=0, max_size=20))
def test_the_pace_of_a_source_is_that_of_its_log(gaps: list[float]) -> None:
    answer, due = Answer("x"), 0.0
    answer.started = 0.0
    for gap in gaps:
        due += gap
        answer.append("够", due)
    answer.end("finished")
    found = pace(answer)
    assert found["ttft_ms"] == (pytest.approx(gaps[0] * 1000, abs=0.01) if gaps else None)
    if len(gaps) > 1:
        assert found["gap_ms"]["max"] == pytest.approx(max(gaps[1:]) * 1000, abs=0.01)


# The command line.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "gpt-x"], "set OPENAI_API_KEY"),
        (["--base-url", "http://127.0.0.1:1/v1"], "say which model"),
        (["--model", "m", "--base-url", "127.0.0.1:1/v1"], "no address of an API"),
        (["--model", "m", "--base-url", "http://me:secret@127.0.0.1/v1"], "a key belongs into OPENAI_API_KEY"),
        (["--model", "m", "--base-url", "http://127.0.0.1/v1?key=secret"], "a key belongs into OPENAI_API_KEY"),
        (["--model", "m", "--base-url", "http://127.0.0.1:99999/v1"], "no address of an API"),
        (["--model", "m", "--base-url", "http://ho st/v1"], "no address of an API"),
        (["--model-s", "0"], "--model-s must not be"),
    ],
)
def test_a_model_that_could_never_answer_is_wrong_usage(arguments: list[str], words: str) -> None:
    code, said = ended(*arguments)
    assert (code, words in said) == (2, True), said
    assert "secret" not in said.replace(" ".join(arguments), "")


async def test_a_model_that_is_not_installed_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match=r"no weights and no engine here: type: make run-model"):
        async with serving(replace(MODEL, model=EMBEDDED)):
            pytest.fail("it serves without its model")
    monkeypatch.setattr("server.models.find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match=r"\[openai\]"):
        async with serving(replace(MODEL, model="m", base_url="http://127.0.0.1:9/v1")):
            pytest.fail("it serves without the SDK")


@pytest.mark.parametrize(
    "program",
    ["", "import sys; sys.stdin.readline(); sys.exit(3)"],
    ids=["one that is not installed", "one that dies"],
)
async def test_an_engine_that_does_not_start_is_told(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _name: True)
    monkeypatch.setattr(embedded, "COMMAND", (sys.executable, "-c", program or "import no_such_engine"))
    with pytest.raises(Unavailable, match="did not start"):
        async with embedded.running():
            pytest.fail("it runs without its engine")


def test_a_key_that_could_not_travel_is_wrong_usage() -> None:
    code, told = ended("--model", "gpt-x", OPENAI_API_KEY="sk-1234 \n")
    assert (code, "OPENAI_API_KEY is no key" in told, "sk-1234" in told) == (2, True, False)


SERVES = "import sys; print('http://127.0.0.1:1', flush=True); {then}"


@pytest.mark.parametrize(("then", "code"), [("sys.stdin.read()", 0), ("import time; time.sleep(600)", -9)])
async def test_an_engine_ends_with_us_whatever_it_does(then: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = []
    create = asyncio.create_subprocess_exec

    async def spied(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        processes.append(await create(*command, **options))
        return processes[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spied)
    monkeypatch.setattr(embedded, "find_spec", lambda _name: True)
    monkeypatch.setattr(embedded, "COMMAND", (sys.executable, "-c", SERVES.format(then=then)))
    monkeypatch.setattr(embedded, "END_S", 1 if code else 30)
    async with embedded.running() as (url, key):
        assert (url, len(key)) == ("http://127.0.0.1:1/v1", 32)
    assert processes[0].returncode == code


LOADS = "import sys; open({up!r}, 'w'); sys.stdin.read()"


async def test_sigterm_while_the_model_is_loaded_ends_the_server_and_the_model(tmp_path: Path) -> None:
    script = (
        "import sys; from server import __main__, models; from server.sources import embedded; "
        "embedded.find_spec = models.find_spec = lambda _: True; "
        f"embedded.COMMAND = (sys.executable, '-c', {LOADS.format(up=str(tmp_path / 'up'))!r}); "
        "sys.exit(__main__.main())"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, "--port", "0", "--model", EMBEDDED), cwd=Path(__file__).parent.parent
    )

    async def loading() -> bool:
        return (tmp_path / "up").exists()

    await eventually(loading)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 30) == 0


# Recording.


async def test_what_is_recorded_is_what_the_source_wrote_and_is_replayed_so(tmp_path: Path) -> None:
    shown: list[Answer] = []
    answer = await record(replace(MODEL, model="count-to-100"), {"prompt": "Count!"}, shown.append)
    assert shown == [answer]
    (tmp_path / "mine.json").write_text(as_json(trace(answer, {"prompt": "Count!"})), encoding="utf-8")
    found, original = Trace.read(tmp_path / "mine.json"), PRESETS["count-to-100"].trace
    assert original
    assert found.tokens == original.tokens
    assert found.title == "Count!"
    assert list(replay(found).tokens) == original.texts
    async with serving(replace(MODEL, model="", traces=str(tmp_path))) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/whole?preset=mine&token_ms=0&first_token_ms=0") as response:
            assert (await response.json())["text"] == PRESETS["count-to-100"].text
        async with http.get("/") as response:
            assert 'value="mine"' in await response.text()
        async with http.get("/v1/models/mine") as response:
            assert response.status == 200


def test_the_command_records_any_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "off.json"
    assert main(["record", "--preset", "off-work", "--out", str(out)]) == 0
    assert Trace.read(out).texts == list("够钟下班啦")
    assert "5 tokens are in" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--preset", "nothing"], 1, "preset must be one of"),
        (["--prompt", "Why?", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"], 1, "Is it running"),
        (["--prompt", " ", "--model", "edge"], 1, "prompt is empty"),
    ],
)
def test_what_cannot_be_recorded_leaves_no_file(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.json"
    assert main(["record", *arguments, "--out", str(out)]) == code
    assert words in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize("name", ["x.txt", "english.json", "own.json", "two words.json", f"{'x' * 41}.json"])
def test_a_trace_gets_a_name_that_a_server_can_offer(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["record", "--preset", "edge", "--out", str(tmp_path / name)])
    assert stop.value.code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags",
    [["--preset", "edge", "--model", "m"], ["--prompt", "x", "--model", "m", "--base-url", "http://a:b@127.0.0.1/v1"]],
)
def test_flags_that_cannot_be_meant_are_wrong_usage(flags: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["record", *flags, "--out", str(tmp_path / "x.json")])
    assert stop.value.code == 2


def test_where_nothing_can_be_written_nothing_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["record", "--prompt", "Why?", "--model", "edge", "--out", str(tmp_path / "file" / "x.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err


BAD = {
    "no JSON": "{",
    "a list": "[]",
    "no tokens": '{"title": "x", "how": "x", "tokens": []}',
    "no title": '{"how": "x", "tokens": [[0, "x"]]}',
    "back in time": '{"title": "x", "how": "x", "tokens": [[5, "x"], [4, "y"]]}',
    "before the beginning": '{"title": "x", "how": "x", "tokens": [[-1, "x"]]}',
    "no time": '{"title": "x", "how": "x", "tokens": [[true, "x"]]}',
    "never": '{"title": "x", "how": "x", "tokens": [[NaN, "x"]]}',
    "an empty token": '{"title": "x", "how": "x", "tokens": [[0, ""]]}',
    "half a character": '{"title": "x", "how": "x", "tokens": [[0, "\\ud83d"]]}',
    "a depth": "[" * 100_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_trace_is_refused_by_its_name(content: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadTrace, match=r"mine\.json is no trace"):
        own(str(tmp_path))
    code, said = ended("--traces", str(tmp_path))
    assert (code, "mine.json is no trace" in said) == (1, True)


@pytest.mark.parametrize("name", ["english", "own", "prompt", "two words"])
def test_a_trace_cannot_take_a_name_that_is_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(json.dumps({"title": "", "how": "", "tokens": [[0, "x"]]}))
    with pytest.raises(BadTrace, match="cannot be the name"):
        own(str(tmp_path))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadTrace, match="cannot be read"):
        own(str(tmp_path / "nowhere"))
