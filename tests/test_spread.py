"""Percentiles, histograms and intervals, against values worked out by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lab.spread import LONGEST_US, Histogram, apart, interleaved, interval, median, slope, summary

US_AS_MS = st.integers(0, LONGEST_US).map(lambda us: us / 1000)
"""Values that a histogram holds: whole microseconds."""


def histogram(values: list[float]) -> Histogram:
    recorded = Histogram()
    for value in values:
        recorded.record(value)
    return recorded


def test_a_percentile_is_the_first_value_that_so_many_do_not_exceed() -> None:
    values = [5, 1, 4, 2, 3]
    assert summary(values) == {"mean": 3, "p50": 3, "p95": 5, "p99": 5, "max": 5}
    assert summary([1, 2]) == {"mean": 1.5, "p50": 1, "p95": 2, "p99": 2, "max": 2}
    assert summary(range(1, 101)) == {"mean": 50.5, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert summary(range(1, 1001))["p99"] == 990


def test_a_summary_is_rounded_to_a_microsecond() -> None:
    assert summary([1 / 3]) == dict.fromkeys(("mean", "p50", "p95", "p99", "max"), 0.333)


@pytest.mark.parametrize("nothing", [lambda: summary([]), lambda: Histogram().summary(), lambda: median([])])
def test_nothing_has_no_summary(nothing) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"empty|at least one|no median"):
        nothing()


@examples(max_examples=50, deadline=None)
@given(st.lists(US_AS_MS, min_size=1))
def test_a_histogram_says_the_same_as_its_values_within_three_digits(values: list[float]) -> None:
    exact, counted = summary(values), histogram(values).summary()
    for name, figure in exact.items():
        assert counted[name] == pytest.approx(figure, abs=figure / 1000 + 0.0011), name  # both are rounded to 0.001


@examples(max_examples=50, deadline=None)
@given(st.lists(US_AS_MS))
def test_a_histogram_survives_its_encoding(values: list[float]) -> None:
    recorded = histogram(values)
    decoded = Histogram.decode(recorded.encode())
    assert len(decoded) == len(values)
    assert decoded.encode() == recorded.encode()
    assert decoded.curve() == recorded.curve()
    if values:
        assert decoded.summary() == recorded.summary()


@examples(max_examples=50, deadline=None)
@given(st.lists(US_AS_MS), st.lists(US_AS_MS))
def test_adding_histograms_is_recording_all_values(some: list[float], others: list[float]) -> None:
    added, decoded = histogram(some), Histogram.decode(histogram(some).encode())
    for one in (added, decoded):
        one.add(histogram(others))
        assert one.encode() == histogram(some + others).encode()


def test_percentiles_of_a_sum_are_not_the_mean_of_percentiles() -> None:
    fast, slow = histogram([1.0] * 99), histogram([100.0])
    fast.add(slow)
    assert fast.summary()["p95"] == 1.0  # the mean of both p95 would be 50


def test_a_histogram_counts_what_lies_outside_its_range_as_the_nearest_it_has() -> None:
    odd = histogram([-3.0, 0.0004, 1e9])
    assert len(odd) == 3
    assert odd.summary()["p50"] == 0
    assert odd.summary()["max"] == pytest.approx(LONGEST_US / 1000, rel=1e-3)


def test_a_histogram_is_a_hdrhistogram_that_others_read() -> None:
    assert histogram([]).encode().startswith("HISTFAAA")  # compressed, version 2
    assert Histogram.decode("HISTFAAAABx4nJNpmSzMgADMUJoRRLCr8zHYf4AIAAA8pgK2").curve() == []


@examples(max_examples=50, deadline=None)
@given(st.lists(US_AS_MS, min_size=1))
def test_a_curve_rises_from_the_smallest_to_the_largest(values: list[float]) -> None:
    curve = histogram(values).curve()
    assert (curve[0][0], curve[-1][0]) == (0, 100)
    assert curve[0][1] == pytest.approx(min(values), rel=1e-3, abs=1e-3)
    assert curve[-1][1] == pytest.approx(max(values), rel=1e-3, abs=1e-3)
    for (percent, ms), (next_percent, next_ms) in pairwise(curve):
        assert percent < next_percent
        assert ms <= next_ms


def test_a_curve_goes_on_until_it_tells_the_largest_value_from_the_second() -> None:
    curve = histogram([1.0] * 999 + [2.0]).curve()
    assert 99.9 < curve[-2][0] < 100
    assert [ms for _, ms in curve[-2:]] == pytest.approx([2.0, 2.0], rel=1e-3)
    assert [ms for percent, ms in curve if percent <= 99.9] == pytest.approx([1.0] * 50, rel=1e-3)


def test_the_median_of_an_even_number_is_between_the_two_in_the_middle() -> None:
    assert median([4, 1, 3, 2]) == 2.5
    assert median([9, 1, 3]) == 3


def test_the_interval_of_five_values_is_their_range() -> None:
    # The smallest is the median of a draw when it is drawn three times of five: 5.8 %, more than the 2.5 % left out.
    assert interval([1, 2, 3, 4, 5]) == (1, 5)


def test_the_interval_of_many_values_is_narrower_than_their_range() -> None:
    low, high = interval(range(1, 101))
    assert 38 < low < 50.5 < high < 63  # by the binomial distribution about 40 and 61


@examples(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_interval_of_one_value_is_that_value(value: float) -> None:
    assert interval([value]) == (value, value)


@examples(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=9))
def test_an_interval_holds_the_median_and_is_always_the_same(values: list[int]) -> None:
    low, high = interval(values)
    assert min(values) <= low <= median(values) <= high <= max(values)
    assert interval(values) == interval(list(values))


def test_another_seed_draws_other_samples() -> None:
    values = [1.5**n for n in range(40)]
    assert len({interval(values, seed) for seed in range(20)}) > 1


def test_intervals_are_apart_only_without_a_common_value() -> None:
    assert apart((1, 2), (2.1, 3))
    assert apart((2.1, 3), (1, 2))
    assert not apart((1, 2), (2, 3))
    assert not apart((1, 9), (4, 5))


def test_the_slope_is_that_of_the_line_of_least_squares() -> None:
    assert slope([(0, 100), (500, 600), (1000, 1100)]) == pytest.approx(1)
    assert slope([(0, 0), (1, 2), (2, 1)]) == pytest.approx(0.5)  # (-1·-1 + 0·1 + 1·0) / 2


@examples(max_examples=50, deadline=None)
@given(st.lists(st.integers(), unique=True, max_size=8), st.integers(0, 6), st.integers())
def test_every_run_holds_every_item_once(items: list[int], runs: int, seed: int) -> None:
    order = list(interleaved(items, runs, seed))
    assert order == list(interleaved(items, runs, seed))
    assert [run for run, _ in order] == sorted(run for run, _ in order)
    for run in range(1, runs + 1):
        assert sorted(item for which, item in order if which == run) == sorted(items)


def test_runs_have_orders_of_their_own() -> None:
    order = list(interleaved("abcdef", 5, seed=1))
    assert len({tuple(item for which, item in order if which == run) for run in range(1, 6)}) > 1
