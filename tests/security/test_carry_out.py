"""The security experiment from its first row to its report: what is kept, what is printed, and with which exit code."""

import json
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.progress import Progress

from lab.experiment import SHOWN, Keep, carry_out
from lab.limits import Failure
from lab.result import Row, read
from lab.security.experiment import unused
from tests.security import sample


@dataclass(frozen=True)
class Parameters:
    """Of this test."""

    probe: tuple[str, ...] = ("tampering",)


def attacked(out: Path, rows: list[Row], failure: str = "") -> int:
    """Carry out an experiment that hands over these rows, observations first, and may fail at its end."""

    async def measure(keep: Keep, _progress: Progress) -> None:
        for row in [*sample.OBSERVATIONS, *rows]:
            keep(dict(row))
        if failure:
            raise Failure(failure)

    return carry_out("security", "python -m lab security", Parameters(), measure, out)


def test_everything_is_kept_shown_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attacked(tmp_path, sample.rows()) == 0
    found = read(tmp_path)
    assert found["complete"]
    assert found["rows"] == json.loads(json.dumps(sample.rows()))
    assert found["observations"] == sample.OBSERVATIONS
    assert {verdict["claim"]: verdict["verdict"] for verdict in found["verdicts"]}["C10"] == "holds"
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "35 attacks" in report
    assert "Guessed 106 of 106 lengths." in report
    assert "eavesdropping" in capsys.readouterr().out


def test_a_broken_probe_at_the_end_fails_and_everything_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = sample.cell("tampering", "tls", "sse", off="stopped")
    assert (
        attacked(tmp_path, [sample.cell("tampering", "tls", "iframe"), broken], "It failed without any defence.") == 1
    )
    found = read(tmp_path)
    assert not found["complete"]
    assert found["note"] == "It failed without any defence. That was after 2 attacks."
    assert len(found["rows"]) == 2
    assert found["note"] in (tmp_path / "report.html").read_text(encoding="utf-8")
    out, err = capsys.readouterr()
    assert "incomplete: It failed without any defence." in out
    assert found["note"] in err


def test_an_older_result_is_set_aside_once(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("older", encoding="utf-8")
    attacked(tmp_path, sample.rows()[:2])
    assert (tmp_path / "result.old.json").read_text(encoding="utf-8") == "older"
    assert len(read(tmp_path)["observations"]) == len(sample.OBSERVATIONS)


def test_no_folder_that_was_there_is_touched(tmp_path: Path) -> None:
    for name in ("evidence", "evidence.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("somebody's", encoding="utf-8")
    (tmp_path / "evidence2").symlink_to("nowhere")
    assert unused(tmp_path / "evidence") == "evidence"
    assert unused(tmp_path) == "evidence3"
    for _ in range(2):
        attacked(tmp_path, sample.rows()[:1])
    for name in ("evidence", "evidence.old"):
        assert [path.read_text(encoding="utf-8") for path in (tmp_path / name).iterdir()] == ["somebody's"]


def test_what_is_not_applicable_was_no_attack(tmp_path: Path) -> None:
    rows = [sample.cell("tampering", "tls", "sse"), sample.spared("token-length", "padding", "whole")]
    attacked(tmp_path, rows, "It ended.")
    assert read(tmp_path)["note"] == "It ended. That was after 1 attack."


def test_ctrl_c_is_heard_as_before_once_all_is_written(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    attacked(tmp_path, sample.rows()[:1])
    assert signal.getsignal(signal.SIGINT) is before


def test_every_experiment_has_a_way_to_be_shown() -> None:
    assert set(SHOWN) == {"overhead", "load", "faults", "soak", "security", "peers", "stream-or-not"}
