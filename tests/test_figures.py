"""The figures, against streams whose values are known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lab.figures import cost, figures, fluidity
from lab.spread import Histogram, summary

EVEN = [100.0 + 50 * k for k in range(20)]
"""When the tokens of a smooth answer are due."""


def of_one(value: float) -> dict[str, float]:
    return dict.fromkeys(("mean", "p50", "p95", "p99", "max"), value)


def test_each_figure_follows_its_formula() -> None:
    found = figures(
        received=[103, 153, 213], appended=[101, 152, 201], due=[100, 150, 200], reads=[1, 1, 1], token_ms=50
    )
    assert found["ttft_ms"] == of_one(103)
    assert found["e2e_ms"] == of_one(213)
    assert found["tpot_ms"] == of_one(55)  # (213 - 103) / 2
    assert found["itl_ms"] == {"mean": 55, "p50": 50, "p95": 60, "p99": 60, "max": 60}
    assert found["lag_ms"] == {"mean": 5, "p50": 2, "p95": 12, "p99": 12, "max": 12}  # 2, 1, 12
    assert found["corrected_lag_ms"] == {"mean": 6.333, "p50": 3, "p95": 13, "p99": 13, "max": 13}  # 3, 3, 13
    assert found["jitter_ms"] == {"mean": 1.333, "p50": 1, "p95": 2, "p99": 2, "max": 2}  # 1, 2, 1
    assert found["burst"] == of_one(1)
    assert found["fluidity"] == 1
    assert (found["tokens"], found["chunks"]) == (3, 3)


def test_a_coalesced_stream_shows_its_bursts_though_its_median_gap_is_0() -> None:
    received = [350.0 + 250 * (k // 5) for k in range(20)]  # five tokens in each read, every 250 ms
    found = figures(received, EVEN, EVEN, [5, 5, 5, 5], 50)
    assert found["itl_ms"]["p50"] == 0
    assert found["burst"] == of_one(5)
    assert found["itl_ms"]["max"] == 250
    assert found["itl_ms"]["mean"] == pytest.approx(750 / 19, abs=0.001)  # 3 gaps of 250 ms among 19
    assert found["chunks"] == 4


def test_a_source_that_writes_late_does_not_make_the_transport_slow_nor_the_answer_fast() -> None:
    late = [due + 80 for due in EVEN]
    found = figures([at + 1 for at in late], late, EVEN, [1] * 20, 50)
    assert found["lag_ms"] == of_one(1)
    assert found["corrected_lag_ms"] == of_one(81)
    assert found["jitter_ms"] == of_one(80)


def test_without_tokens_there_is_no_figure() -> None:
    found = figures([], [], [], [], 50)
    assert (found["tokens"], found["chunks"]) == (0, 0)
    for name in (
        "ttft_ms",
        "itl_ms",
        "tpot_ms",
        "e2e_ms",
        "lag_ms",
        "corrected_lag_ms",
        "jitter_ms",
        "burst",
        "fluidity",
    ):
        assert found[name] is None
    assert len(Histogram.decode(found["histograms"]["lag_us"])) == 0


def test_one_token_has_times_but_no_gap() -> None:
    found = figures([30], [29], [28], [1], 50)
    assert found["ttft_ms"] == found["e2e_ms"] == of_one(30)
    assert found["itl_ms"] is None
    assert found["tpot_ms"] is None
    assert found["fluidity"] == 1


def test_a_source_without_a_pace_has_no_fluidity() -> None:
    assert figures([1, 1, 1], [0, 0, 0], [0, 0, 0], [3], token_ms=0)["fluidity"] is None


@pytest.mark.parametrize(("received", "due", "reads"), [([1, 2], [0], [2]), ([1, 2], [0, 1], [1]), ([1], [0], [1, 1])])
def test_times_that_do_not_fit_together_are_an_error(received: list[float], due: list[float], reads: list[int]) -> None:
    with pytest.raises(ValueError, match=r"shorter|cannot have come"):
        figures(received, received, due, reads, 50)


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([50, 50, 50, 50], 1),
        ([100, 100, 100, 100], 1),  # each at its deadline
        ([100, 101, 100, 100], 0.75),  # one too late, and one deadline missed
        ([50, 150, 100, 100], 1),  # 50 ms early: that is slack for the next
        ([50, 151, 100, 100], 0.75),
        ([50, 50, 50, 251, 100], 0.8),  # 150 ms of slack, and 1 more than deadline and slack
        ([100, 450, 50, 50, 50], 0.2),  # 350 ms late: the deadlines at 100, 200, 300 and 400 ms
        ([50, 250, 151], 0.0),  # 2 missed, the slack is gone, and 1 more
        ([100, 9000], 0.0),  # not below zero, however long it stalls
    ],
)
def test_fluidity_counts_the_deadlines_that_passed_without_a_token(waits: list[float], expected: float) -> None:
    assert fluidity(waits, token_ms=50) == pytest.approx(expected, abs=1e-4)


def test_text_that_comes_all_at_the_end_is_not_fluid() -> None:
    end = EVEN[-1]
    found = figures([end] * 20, EVEN, EVEN, [20], 50)
    assert found["fluidity"] == 0.55  # the first came 950 ms after it was due: past 9 deadlines, at 100 … 900 ms
    assert found["ttft_ms"] == found["e2e_ms"]


times = st.lists(st.floats(0, 100_000), min_size=1).map(sorted)


@examples(max_examples=50, deadline=None)
@given(times, st.floats(0, 1000))
def test_histograms_and_summaries_tell_the_same(received: list[float], token_ms: float) -> None:
    nothing = [0.0] * len(received)
    found = figures(received, nothing, nothing, [1] * len(received), token_ms)
    for name in ("lag", "corrected_lag"):
        counted = Histogram.decode(found["histograms"][f"{name}_us"]).summary()
        for key, figure in found[f"{name}_ms"].items():
            assert counted[key] == pytest.approx(figure, abs=figure / 1000 + 0.0021), key
    assert found["ttft_ms"]["max"] <= found["e2e_ms"]["max"]
    assert found["fluidity"] is None or 0 <= found["fluidity"] <= 1


ROW: dict[str, Any] = {
    "transport": "sse",
    "reader": "lab",
    "requests": 1,
    "connections": 1,
    "tokens": 2,
    "chunks": 2,
    "source": "TCP_INFO",
    "bytes_up": 150,
    "bytes_down": 450,
    "segments_up": 4,
    "segments_down": 6,
    "retransmits": 0,
}


def test_a_cost_is_divided_into_text_envelope_and_framing() -> None:
    found = cost(ROW, "够钟 ok", envelope_bytes=90)
    assert found["text_bytes"] == 9  # two of three bytes each, and three
    assert found["framing_bytes"] == 600 - 9 - 90
    assert found["overhead_factor"] == round(600 / 9, 3)
    assert found["wire_bytes"] == 600 + 52 * 10


def test_without_the_kernels_counters_there_is_no_estimate_of_wire_bytes() -> None:
    unknown = {"segments_up": None, "segments_down": None, "retransmits": None}
    found = cost(ROW | unknown | {"source": "asyncio"}, "text", 0)
    assert [found[name] for name in ("wire_bytes", "segments_up", "retransmits")] == [None, None, None]
    assert found["overhead_factor"] == 150


def test_an_empty_text_has_no_overhead_factor() -> None:
    assert cost(ROW, "", 90)["overhead_factor"] is None


def test_a_burst_is_that_of_the_reads() -> None:
    assert figures([1] * 6, [0] * 6, [0] * 6, [1, 2, 3], 50)["burst"] == summary([1, 2, 3])
