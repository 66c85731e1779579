"""The lab's command line, as a person uses it: exit codes, sentences, and what is kept when something goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.command_line import main
from lab.result import read

ROOT = Path(__file__).parent.parent
SHORT = ("--tokens", "3", "--token-ms", "5", "--poll-ms", "20", "--readers", "0")
ENDLESS = ("overhead", "--transports", "sse", "--runs", "1000", "--tokens", "3", "--token-ms", "5", "--readers", "0")


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def running(*arguments: str, python: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """An experiment under way."""
    process = subprocess.Popen(
        [sys.executable, *python, "-m", "lab", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(check: Callable[[], Any]) -> Any:
    """What `check` gives, once it gives something."""
    for _ in range(600):
        if found := check():
            return found
        time.sleep(0.05)
    pytest.fail("it did not come true within 30 seconds")


def rows(out: Path) -> list[dict[str, Any]]:
    """Those that are on the disk by now."""
    try:
        found: list[dict[str, Any]] = json.loads((out / "result.json").read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        return []
    return found


def servers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The servers that an experiment has started and that live."""
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.ZombieProcess):  # it has ended, and is not buried yet
            if "lab.served" in child.cmdline():
                found.append(child)
    return found


def test_an_experiment_leaves_a_result_and_a_report_and_shows_a_table(tmp_path: Path) -> None:
    code, out, err = run("overhead", "--runs", "2", *SHORT, "--out", str(tmp_path))
    assert code == 0, err
    result = read(tmp_path)
    assert result["complete"]
    assert len(result["rows"]) == 12
    assert result["command"].startswith("python -m lab overhead --runs 2")
    assert result["environment"]["python"].endswith(sys.version.split()[0])
    assert {verdict["claim"] for verdict in result["verdicts"]} >= {"C9", "C18", "C21"}
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    for name in ("polling 20 ms", "long_polling", "iframe", "sse", "websocket", "whole"):
        assert name in out
    assert str(tmp_path) in " ".join(err.split())


def test_ctrl_c_keeps_what_was_measured_and_ends_the_server(tmp_path: Path) -> None:
    with running(*ENDLESS, "--out", str(tmp_path)) as process:
        until(lambda: len(rows(tmp_path)) >= 2)
        (server,) = servers(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    result = read(tmp_path)
    assert len(result["rows"]) >= 2
    assert result["complete"] is False
    assert "Ctrl-C" in result["note"]
    assert "sse" in out
    assert (tmp_path / "report.html").exists()
    assert not server.is_running()


def test_a_server_that_dies_is_said_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    with running(*ENDLESS, "--out", str(tmp_path)) as process:
        until(lambda: len(rows(tmp_path)) >= 2)
        (server,) = servers(process)
        server.kill()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "The server was ended by SIGKILL in the middle of the measurement." in err
    assert len(read(tmp_path)["rows"]) >= 2
    assert "SIGKILL" in read(tmp_path)["note"]


def test_the_server_ends_with_an_experiment_that_is_killed(tmp_path: Path) -> None:
    with running(*ENDLESS, "--out", str(tmp_path)) as process:
        until(lambda: rows(tmp_path))
        (server,) = servers(process)
        process.kill()
        until(lambda: not server.is_running())


@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev")
@pytest.mark.parametrize("out", ["/dev/null/out", "/dev/null", "/proc/out"])
def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_measured(out: str) -> None:
    code, shown, err = run("overhead", "--quick", "--out", out)
    assert (code, shown) == (1, "")
    assert f"{out} cannot be written to" in err
    assert "--out" in err
    assert "Traceback" not in err


def test_ctrl_c_at_any_time_is_no_traceback(tmp_path: Path) -> None:
    for seconds in (0.0, 0.4, 1.0):
        with running("overhead", "--quick", "--out", str(tmp_path), python=("-X", "importtime")) as process:
            assert process.stderr
            while "clients" not in process.stderr.readline():  # before its first import it is not ours, but Python's
                assert process.poll() is None
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err


def test_sigterm_and_a_second_ctrl_c_keep_what_was_measured_as_well(tmp_path: Path) -> None:
    with running(*ENDLESS, "--out", str(tmp_path)) as process:
        until(lambda: len(rows(tmp_path)) >= 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert "SIGTERM" in read(tmp_path)["note"]
    assert (tmp_path / "report.html").exists()


def test_an_older_result_is_set_aside_and_never_lost(tmp_path: Path) -> None:
    for name in ("result.json", "report.html"):
        (tmp_path / name).write_text("older", encoding="utf-8")
    code, _, err = run("overhead", "--runs", "1", "--transports", "sse", *SHORT, "--out", str(tmp_path))
    assert code == 0
    assert (tmp_path / "result.old.json").read_text(encoding="utf-8") == "older"
    assert (tmp_path / "report.old.html").read_text(encoding="utf-8") == "older"
    assert "result.old.json" in err


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_is_the_cause_whatever_came_of_it(tmp_path: Path, signal_number: signal.Signals) -> None:
    with running(*ENDLESS[:1], "--tokens", "50", *ENDLESS[1:5], "--readers", "0", "--out", str(tmp_path)) as process:
        until(lambda: rows(tmp_path))
        (server,) = servers(process)
        server.send_signal(signal_number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The server" in err
    assert "in the middle of the measurement" in err


def test_a_full_disk_is_said_and_the_table_is_shown_in_any_case(tmp_path: Path) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("Making a small disk needs root on Linux.")
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", tmp_path], check=True)
    try:
        code, out, err = run("overhead", "--runs", "1", "--transports", "sse", *SHORT, "--out", str(tmp_path))
        assert code == 1
        assert "cannot be written to: No space left on device" in err
        assert "Traceback" not in err
        assert "sse" in out
        assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
        assert read(tmp_path)["complete"]
    finally:
        subprocess.run(["/bin/umount", tmp_path], check=True)


def test_an_older_result_is_untouched_by_an_experiment_that_measures_nothing(tmp_path: Path) -> None:
    older = tmp_path / "result.json"
    older.write_text("older", encoding="utf-8")
    with running("overhead", "--quick", "--out", str(tmp_path)) as process:
        until(lambda: servers(process))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert older.read_text(encoding="utf-8") == "older"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "EXPERIMENT"),
        (["speed"], "speed"),
        (["overhead", "--runs", "0"], "--runs must be from 1 to"),
        (["overhead", "--transports", "pigeon"], "there is no 'pigeon'"),
        (["overhead", "--tls", "maybe"], "neither off nor on"),
        (["overhead", "--unit", "byte"], "there is no 'byte'"),
        (["load", "--readers", "0"], "--readers must be from 1"),
        (["load", "--readers", "-5"], "readers must be from 1"),
        (["load", "--readers", "many"], "many"),
        (["compare", "one"], "b"),
    ],
)
def test_wrong_usage_is_2_with_a_sentence(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert part in capsys.readouterr().err


def test_more_readers_than_files_is_said_with_the_ulimit_to_set(tmp_path: Path) -> None:
    measuring = f"{sys.executable} -m lab load --readers 1000 --transports sse --out {tmp_path}"
    command = f"ulimit -Sn 256 && ulimit -Hn 256 && {measuring}"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ulimit -n 1100" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_results_are_compared_and_strange_files_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    assert run("overhead", "--runs", "1", "--transports", "sse", *SHORT, "--out", str(a))[0] == 0
    shutil.copytree(a, b)
    assert main(["compare", str(a), str(b / "result.json")]) == 0
    assert "bytes_up" in capsys.readouterr().out
    assert main(["compare", str(a), str(tmp_path / "nothing")]) == 1
    assert "There is no" in capsys.readouterr().err
    document = json.loads((b / "result.json").read_text(encoding="utf-8"))
    document["environment"]["kernel"] = "another"
    (b / "result.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(["compare", str(a), str(b)]) == 1
    assert f"kernel is {os.uname().release} and another" in capsys.readouterr().err
