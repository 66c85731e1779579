"""Every attack, for real: it succeeds without its defence and is stopped with it.

The one thing to notice: the two servers differ in one defence and in nothing else, so whatever breaks an attack or a
defence fails one of the two halves.
"""

import json
from collections.abc import Iterator

import pytest

from lab.result import Row
from lab.security.experiment import Cell, Parameters, attempt, each, plan
from lab.security.observations import observe
from lab.security.probe import NOT_APPLICABLE, STOPPED, SUCCEEDED
from lab.security.probes import PROBES
from server.defences import DEFENCES
from server.transports import TRANSPORTS
from tests.security.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


def cells() -> Iterator[Cell]:
    """Each attack with each of its defences once, on the transports in turn; `make security` tries them all."""
    for at, (probe, defence) in enumerate((name, one) for name in PROBES for one in PROBES[name].defences):
        applicable = [name for name in TRANSPORTS if name not in PROBES[probe].spares]
        yield Cell(probe, applicable[at % len(applicable)], defence)


CELLS = list(cells())
MOST_EVIDENCE = 100_000
WHOLE = ("honest_whole", "text_intact")
"""Figures that tell whether somebody who does no harm got the whole text: 1 for yes."""


async def test_every_attack_succeeds_without_the_defence_and_is_stopped_with_it(
    place: Place,
) -> None:
    wrong = []

    async def attack(cell: Cell) -> None:
        row, _ = await attempt(cell, *place)
        try:
            check(cell, row)
        except AssertionError as error:
            wrong.append(f"{'-'.join(cell)}: {error}")

    await each(CELLS, attack)
    assert wrong == []


def check(cell: Cell, row: Row) -> None:
    """What came of an attack is as it should be."""
    assert row["off"] == SUCCEEDED, row.get("why") or row["off_says"]
    if DEFENCES[cell.defence].ships:
        assert row["on"] == STOPPED, row.get("why") or row["on_says"]
    assert row["on"] in (SUCCEEDED, STOPPED), row.get("why")
    assert row["off_says"].endswith(".")
    assert row["on_says"].endswith(".")
    assert row["off_figures"].keys() == row["on_figures"].keys()
    assert len(json.dumps(row["evidence"])) < MOST_EVIDENCE
    for figure in WHOLE:
        assert row["on_figures"].get(figure, 1) == 1, row["on_says"]


async def test_a_transport_without_such_a_surface_says_why(place: Place) -> None:
    spared = [cell for cell in plan(Parameters()) if cell.transport in PROBES[cell.probe].spares]
    assert spared
    for cell in spared:
        row, files = await attempt(cell, *place)
        assert (row["off"], row["on"], files) == (NOT_APPLICABLE, NOT_APPLICABLE, {})
        assert row["why"].endswith(".")


async def test_between_them_the_attacks_meet_every_transport() -> None:
    assert {cell.transport for cell in CELLS} == set(TRANSPORTS)


async def test_no_probe_spares_every_transport() -> None:
    for probe in PROBES.values():
        assert probe.spares.keys() < TRANSPORTS.keys()


async def test_what_is_observed_names_its_source(place: Place) -> None:
    found = {seen["id"]: seen async for seen in observe(*place)}
    assert {"two-way-sse", "two-way-websocket", "same-port", "browser"} <= found.keys()
    assert found["two-way-sse"]["holds"] is False
    assert found["two-way-websocket"]["holds"] is True
    assert found["same-port"]["holds"] is True
    for seen in found.values():
        assert seen["says"].endswith(".")
