"""The overhead experiment, with real servers in processes of their own, and its clock held against a packet capture."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from rich.progress import Progress

from clients.answers import answering
from lab.overhead import Condition, Different, Parameters, evidence, measure, overhead, plan, text_of
from lab.session import Variant, read, variants
from lab.subject import Subject, serving
from server.settings import Settings
from server.sources.typewriter import UNITS, split
from tests.capture import Flow, capturing

sharing = pytest.mark.asyncio(loop_scope="module")
"""For tests that share a server."""

PLAIN = Condition(token_ms=5.0, unit="word", cookie_bytes=0, tls=False, deflate=False)
TOKENS = 12
TEXT = text_of(TOKENS, "word")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def subject() -> AsyncIterator[Subject]:
    """A server in a process of its own."""
    async with serving(Settings()) as subject:
        yield subject


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def encrypted() -> AsyncIterator[Subject]:
    """One that speaks TLS."""
    async with serving(Settings(), tls=True) as subject:
        yield subject


@pytest.fixture
def variant(name: str) -> Variant:
    """A way of reading, for each transport."""
    return variants([name], [20])[0]


@sharing
async def test_a_row_accounts_for_every_token_and_every_byte(subject: Subject, variant: Variant) -> None:
    row = await measure(subject, variant, PLAIN, TEXT)
    assert (row["transport"], row["tokens"], row["text_bytes"]) == (variant.transport, TOKENS, len(TEXT.encode()))
    assert row["bytes_up"] + row["bytes_down"] == row["text_bytes"] + row["envelope_bytes"] + row["framing_bytes"]
    assert row["framing_bytes"] > 0
    assert row["envelope_bytes"] > 0
    for times in row["times"].values():
        assert len(times) == TOKENS
        assert times == sorted(times)
    for due, appended, received in zip(
        *(row["times"][f"{key}_ms"] for key in ("due", "appended", "received")), strict=True
    ):
        assert 0 < due <= appended <= received
    assert row["requests"] >= row["empty_polls"] + row["chunks"] * (variant.transport == "long_polling")


@sharing
async def test_a_cookie_is_paid_with_every_request_and_with_nothing_else(subject: Subject, variant: Variant) -> None:
    row = await measure(subject, variant, replace(PLAIN, cookie_bytes=500), TEXT)
    plain = await measure(subject, variant, PLAIN, TEXT)
    header = len("Cookie: \r\n") + 500
    assert row["bytes_up"] - row["requests"] * header == pytest.approx(
        plain["bytes_up"] * row["requests"] / plain["requests"], rel=0.05
    )


@sharing
async def test_tls_costs_its_handshake_and_a_record_around_every_write(
    variant: Variant, subject: Subject, encrypted: Subject
) -> None:
    plain = await measure(subject, variant, PLAIN, TEXT)
    assert encrypted.url.startswith("https://")
    row = await measure(encrypted, variant, replace(PLAIN, tls=True), TEXT)
    share = row["requests"] / plain["requests"]  # of a poller, no two readings have as many
    assert row["bytes_down"] - plain["bytes_down"] * share > 500  # the certificate alone
    assert row["bytes_up"] > plain["bytes_up"] * share


@sharing
async def test_deflate_makes_the_messages_of_a_websocket_smaller(subject: Subject) -> None:
    plain = await measure(subject, variants(["websocket"])[0], PLAIN, TEXT)
    async with serving(Settings(deflate=True)) as deflating:
        row = await measure(deflating, variants(["websocket"], deflate=True)[0], replace(PLAIN, deflate=True), TEXT)
    assert row["bytes_down"] < plain["bytes_down"]


def test_the_plan_is_every_combination_and_deflate_where_it_changes_something() -> None:
    parameters = Parameters(poll_ms=(100, 200), cookie_bytes=(0, 500), tls=(False, True), deflate=(False, True))
    cases = plan(parameters)
    assert len(cases) == 2 * 2 * (7 + 1)
    assert len(set(cases)) == len(cases)
    assert {variant.transport for variant, condition in cases if condition.deflate} == {"websocket"}


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_has_as_many_tokens_as_asked_for(unit: str) -> None:
    assert len(split(text_of(70, unit), unit)) == 70


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs": 0},
        {"tokens": 10_001},
        {"poll_ms": (200, 0)},
        {"poll_ms": (200, 200)},
        {"token_ms": (-1.0,)},
        {"token_ms": (float("nan"),)},
        {"token_ms": (5000.0,), "tokens": 1000},
        {"transports": ()},
        {"transports": ("sse", "sse")},
        {"cookie_bytes": (9000,)},
        {"readers": 20_000},
        {"deflate": (True,), "transports": ("sse",)},
    ],
)
def test_parameters_that_cannot_be_measured_are_refused_by_their_flag(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="--" + next(iter(wrong)).replace("_", "-")):
        Parameters(**wrong)


@sharing
async def test_runs_are_complete_and_in_another_order_each() -> None:
    rows: list[dict[str, Any]] = []
    parameters = Parameters(runs=3, tokens=3, token_ms=(1.0,), poll_ms=(10,), readers=0)
    with Progress(disable=True) as progress:
        await overhead(parameters, rows.append, progress)
    orders = [[row["variant"] for row in rows if row["run"] == run] for run in (1, 2, 3)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert len(rows) == 3 * 6
    assert len({tuple(order) for order in orders}) > 1


@sharing
async def test_a_transport_that_delivers_another_text_is_not_measured(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sse,) = variants(["sse"])

    async def losing(variant: Variant, url: str) -> object:
        reading = await read(variant, url)
        reading.text = reading.text[:-1]
        return reading

    monkeypatch.setattr("lab.overhead.read", losing)
    with pytest.raises(Different, match="sse did not deliver the text"):
        await measure(subject, sse, PLAIN, TEXT)


def arrivals(flow: Flow, tokens: int) -> list[float]:
    """When the packet with each token crossed, on the wall clock: the first chunk that moved the cursor so far."""
    chunks = [(int(chunk[1]), chunk.end()) for chunk in re.finditer(rb'\{"cursor":(\d+),"text"', bytes(flow.data))]
    times = []
    for token in range(1, tokens + 1):
        place = next(end for cursor, end in chunks if cursor >= token)
        times.append(next(at for end, at in flow.arrivals if end >= place))
    return times


@sharing
async def test_lag_is_what_a_packet_capture_sees_within_a_millisecond(subject: Subject, variant: Variant) -> None:
    """The client has a token after its packet, never before. Noise can only add, so the closest of all counts."""
    text, closest = text_of(40, "word"), float("inf")
    for _ in range(20):
        async with answering(subject.url, text=text, unit="word", first_token_ms=1000, token_ms=5) as links:
            async with capturing(int(subject.url.rpartition(":")[2])) as capture:
                reading = await read(variant, links[variant.transport])
                wall_clock = time.time() - time.monotonic()
            entries, _ = await evidence(links[variant.transport].rpartition("/")[0])
        appended = [entry["appended_ms"] / 1000 for entry in entries[:40]]
        crossed = [at - wall_clock for at in arrivals(capture.only[1], 40)]
        assert min(later_ms(crossed, appended)) > -0.1
        closest = min(closest, *later_ms(reading.received, crossed))
        assert closest > -0.1
        if closest < 1:
            break
    assert closest < 1


def later_ms(times: list[float], before: list[float]) -> list[float]:
    """By how much each of these seconds is later than that of before."""
    return [(later - earlier) * 1000 for later, earlier in zip(times, before, strict=True)]
