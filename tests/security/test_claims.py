"""The verdicts on the article's claims about security: each comes out as the attacks did, whichever way that is."""

import pytest

from lab.result import Row
from lab.security import claims
from lab.security.claims import CLAIMS, verdicts
from lab.security.probe import COULD_NOT_RUN, STOPPED, SUCCEEDED
from tests.security import sample
from tests.security.sample import cell, leak

NUMBERS = {f"C{number}" for number in range(5, 14)}
TLS = ("eavesdropping", "tampering")


@pytest.fixture(autouse=True)
def _probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "FAMILIES", sample.FAMILIES)


def found(claim: str, rows: list[Row], *observations: dict[str, object]) -> tuple[str, str]:
    """The verdict on a claim, and why."""
    (verdict,) = [one for one in verdicts(rows, observations) if one["claim"] == claim]
    assert verdict["says"] == CLAIMS[claim].says
    return verdict["verdict"], verdict["because"]


def protected(*transports: str, on: str = STOPPED) -> list[Row]:
    return [cell(probe, "tls", transport, on=on) for probe in TLS for transport in transports]


POLLINGS = ("polling", "long_polling", "iframe")
SILENT = {"off": STOPPED, "off_says": "Guessed no better than blindly."}


def test_without_rows_nothing_is_measured_and_each_verdict_says_what_it_needs() -> None:
    made = verdicts([])
    assert {verdict["claim"] for verdict in made} == NUMBERS
    assert {verdict["verdict"] for verdict in made} == {"not measured"}
    assert all(verdict["because"].startswith("This needs ") and verdict["because"].endswith(".") for verdict in made)


@pytest.mark.parametrize("claim", ["C6", "C9"])
def test_amounts_are_left_to_the_experiment_that_counts(claim: str) -> None:
    assert found(claim, sample.rows()) == (
        "not measured",
        "This needs a count, not an attack: `python -m lab overhead` decides it.",
    )


@pytest.mark.parametrize(("claim", "transports"), [("C5", POLLINGS), ("C8", ("sse",)), ("C11", ("websocket",))])
def test_https_depends_where_it_stops_readers_and_lengths_leak(claim: str, transports: tuple[str, ...]) -> None:
    leaks = [leak(transport, "padding", 0.0, 128.0) for transport in transports]
    verdict, because = found(claim, [*protected(*transports), *leaks])
    assert verdict == "depends"
    speaks_for, _, against = because.partition("Against it: ")
    assert "eavesdropping through TLS" in speaks_for
    assert "tampering through TLS" in speaks_for
    assert "token-length through TLS" in against
    assert against.count("Guessed 106 of 106 lengths") == len(transports)


def test_https_holds_where_no_length_leaks_and_not_where_nothing_is_stopped() -> None:
    silent = [leak("sse", "padding", 0.0, 128.0) | SILENT]
    assert found("C8", [*protected("sse"), *silent])[0] == "holds"
    open_ = [leak("sse", "padding", 0.0, 128.0)]
    assert found("C8", [*protected("sse", on=SUCCEEDED), *open_])[0] == "does not hold"


def test_https_is_not_said_to_hold_when_only_half_of_it_was_tried() -> None:
    assert found("C8", protected("sse")) == (
        "depends",
        "eavesdropping through TLS: SSE stopped. tampering through TLS: SSE stopped. "
        "Not measured: whether the lengths of tokens leak.",
    )
    verdict, because = found("C8", [leak("sse", "padding", 0.0, 128.0)])
    assert verdict == "depends"
    assert because.endswith("Not measured: whether TLS stops reading and changing.")


def test_c5_is_about_all_three() -> None:
    leaks = [leak(transport, "padding", 0.0, 128.0) for transport in ("polling", "iframe")]
    assert found("C5", [*protected("polling", "iframe"), *leaks])[0] == "not measured"


def test_a_length_is_judged_once_however_many_defences_were_tried() -> None:
    rows = [leak("sse", defence, 0.0, 128.0) for defence in ("padding", "random-padding")]
    assert found("C8", [*protected("sse"), *rows])[1].count("Guessed 106") == 1


def test_what_could_not_run_says_nothing() -> None:
    rows = [row | {"off": COULD_NOT_RUN, "on": COULD_NOT_RUN} for row in sample.rows()]
    assert {verdict["verdict"] for verdict in verdicts(rows)} == {"not measured"}


def test_c7_depends_on_the_defences_and_counts_on_each_transport() -> None:
    rows = [cell(probe, "head-deadline", transport) for probe in ("slow-head", "blind-start") for transport in POLLINGS]
    verdict, because = found("C7", rows)
    assert verdict == "depends"
    assert because == (
        "For it: attacks that succeed without their defence: polling 2 of 2; long polling 2 of 2; iframe 2 of 2. "
        "Against it: attacks that succeed with it: polling 0 of 2; long polling 0 of 2; iframe 0 of 2."
    )


def test_c7_holds_where_the_defences_stop_nothing_and_not_where_no_attack_succeeds() -> None:
    assert found("C7", [cell("slow-head", "head-deadline", "polling", on=SUCCEEDED)])[0] == "holds"
    assert found("C7", [cell("slow-head", "head-deadline", "polling", STOPPED)])[0] == "does not hold"


def test_c7_is_not_about_streams_nor_about_other_attacks_nor_about_compared_defences() -> None:
    others = [
        cell("slow-head", "head-deadline", "sse"),
        cell("foreign-read", "origin", "polling"),
        cell("slow-head", "random-padding", "polling"),
    ]
    assert found("C7", others)[0] == "not measured"


@pytest.mark.parametrize(
    ("claim", "name", "holds", "verdict"),
    [
        ("C10", "two-way-sse", False, "holds"),
        ("C10", "two-way-sse", True, "does not hold"),
        ("C12", "two-way-websocket", True, "holds"),
        ("C12", "two-way-websocket", False, "does not hold"),
        ("C13", "same-port", True, "depends"),
    ],
)
def test_observations_decide_what_no_attack_does(claim: str, name: str, holds: bool, verdict: str) -> None:
    observation = {"id": name, "holds": holds, "says": "It was seen."}
    came_out, because = found(claim, [], observation)
    assert came_out == verdict
    assert "It was seen." in because


def test_c13_has_the_attacks_on_websocket_as_its_other_side() -> None:
    port: dict[str, object] = {"id": "same-port", "holds": True, "says": "One port."}
    verdict, because = found("C13", [cell("foreign-read", "origin", name) for name in ("sse", "websocket")], port)
    assert verdict == "depends"
    assert because.startswith(
        "For it: attacks that succeed without their defence: WebSocket 1 of 1. Against it: the port: One port. "
    )


def test_c13_says_that_its_other_half_is_not_measured() -> None:
    assert "Not measured: compatibility" in found("C13", [], {"id": "same-port", "holds": True, "says": "One port."})[1]


@pytest.mark.parametrize(
    "observation", [{"id": "two-way-sse"}, {"id": "other", "holds": True}, {"id": "two-way-sse", "holds": None}]
)
def test_an_observation_that_does_not_tell_decides_nothing(observation: dict[str, object]) -> None:
    assert found("C10", [], observation)[0] == "not measured"
