"""The verdicts: each claim comes out as the rows have it, whichever way that is."""

from typing import Any

import pytest

from lab.result import Row
from lab.verdicts import CLAIMS, verdicts
from tests.test_result import ROW

RUNS = 5


def runs(variant: str, count: int = RUNS, **figures: Any) -> list[Row]:
    """Runs of one variant; `ttft` and `e2e` are medians in ms."""
    summaries = {f"{name}_ms": {"p50": figures.pop(name)} for name in ("ttft", "e2e") if name in figures}
    named = {"variant": variant, "transport": variant.split()[0]}
    given = {"tokens": 60, "requests": 1, "connections": 1, "bytes_up": 200, "bytes_down": 4300} | summaries | figures
    return [ROW | named | given | {"run": run + 1} for run in range(count)]


def found(claim: str, *sides: list[Row]) -> tuple[str, str]:
    """The verdict on a claim, and why."""
    (verdict,) = [one for one in verdicts(row for side in sides for row in side) if one["claim"] == claim]
    assert verdict["says"] == CLAIMS[claim].says
    return verdict["verdict"], verdict["because"]


def test_without_rows_nothing_is_measured_and_each_verdict_says_what_it_needs() -> None:
    for verdict in verdicts([]):
        assert verdict["verdict"] == "not measured"
        assert verdict["because"].startswith("This needs ")
    assert set(CLAIMS) == {"C6", "C9", "C14", "C15", "C16", "C18", "C19", "C20", "C21"}


def test_no_verdict_is_made_of_void_rows() -> None:
    rows = [row | {"void": "The client was saturated."} for row in runs("sse") + runs("whole") + runs("websocket")]
    assert {verdict["verdict"] for verdict in verdicts(rows)} == {"not measured"}


POLLINGS = [*runs("polling 200 ms", requests=16), *runs("long_polling", requests=61)]


def test_c6_depends_where_only_the_iframe_needs_one_request() -> None:
    verdict, because = found("C6", POLLINGS, runs("iframe"))
    assert verdict == "depends"
    assert because == (
        "For it: requests per answer: polling 200 ms 16; long polling 61. Against it: requests per answer: iframe 1."
    )


def test_c6_holds_where_all_three_repeat_their_requests_and_not_where_none_does() -> None:
    assert found("C6", POLLINGS, runs("iframe", requests=3))[0] == "holds"
    assert found("C6", runs("polling 5000 ms"), runs("long_polling"), runs("iframe"))[0] == "does not hold"


def test_c6_is_about_all_three() -> None:
    assert found("C6", POLLINGS)[0] == "not measured"


def test_requests_are_counted_for_each_reader() -> None:
    crowd = [row | {"readers": 100, "requests": row["requests"] * 100} for row in POLLINGS + runs("iframe")]
    assert "long polling 61. Against it: requests per answer: iframe 1." in found("C6", crowd)[1]


def test_c9_depends_where_slow_polling_is_cheaper() -> None:
    fast, slow = (
        runs("polling 100 ms", requests=31, bytes_down=9000),
        runs("polling 2000 ms", requests=3, bytes_down=900),
    )
    verdict, because = found("C9", runs("sse"), fast, slow)
    assert verdict == "depends"
    assert "connections per answer: SSE 1" in because
    assert "bytes per token: SSE 75, polling 100 ms 153." in because.partition("Against it")[0]
    assert "bytes per token: SSE 75, polling 2000 ms 18.3." in because.partition("Against it")[2]


def test_c9_holds_where_every_polling_costs_more() -> None:
    assert found("C9", runs("sse"), runs("long_polling", requests=61, bytes_down=20_000))[0] == "holds"


def test_c9_does_not_hold_where_sse_reconnects_and_costs_more() -> None:
    sse = runs("sse", connections=9, requests=20, bytes_down=30_000)
    assert found("C9", sse, runs("polling 200 ms", requests=16))[0] == "does not hold"


def test_c14_needs_memory_of_idle_connections() -> None:
    memory = {"idle": 11_878.4, "active": None}
    assert found("C14", runs("sse", 1))[0] == "not measured"
    verdict, because = found("C14", runs("sse", 1, memory_bytes_per_connection=memory))
    assert verdict == "holds"
    assert "bytes of server memory per idle connection: SSE 11,878." in because
    assert found("C14", runs("sse", memory_bytes_per_connection={"idle": 0.0}))[0] == "does not hold"


def test_c15_compares_the_fewest_readers_with_the_most() -> None:
    points = [[0, 38_000_000], [500, 44_000_000], [1000, 50_000_000]]
    few, some = runs("sse", readers=1, server_cpu=0.05), runs("sse", readers=100, server_cpu=0.2)
    many = runs("sse", readers=1000, server_cpu=0.52, memory_points=points)
    verdict, because = found("C15", many, few, some)
    assert verdict == "holds"
    assert "cores of server CPU: SSE with 1 reader 0.05, SSE with 1000 readers 0.52." in because
    assert "MB of server memory: SSE 38 with 0 connections, 50 with 1000." in because
    assert (
        found("C15", runs("sse", readers=10, server_cpu=0.519), many)[0] == "depends"
    )  # CPU does not grow, memory does
    assert found("C15", runs("sse", memory_points=[[0, 9_000_000], [1000, 8_000_000]]))[0] == "does not hold"
    assert found("C15", few)[0] == "not measured"


def test_c18_looks_at_every_cost_that_was_measured() -> None:
    sse, websocket = runs("sse", cpu_us_per_token=38), runs("websocket", cpu_us_per_token=48, bytes_down=3460)
    verdict, because = found("C18", sse, websocket)
    assert verdict == "depends"
    assert "For it: µs of server CPU per token: SSE 38, WebSocket 48." in because
    assert "bytes per token: SSE 75, WebSocket 61." in because.partition("Against it")[2]
    assert "SSE 4,500, WebSocket 3,660." in because.partition("Against it")[2]


def test_c18_holds_or_not_by_bytes_alone_where_nothing_else_was_measured() -> None:
    assert found("C18", runs("sse"), runs("websocket", bytes_down=3460))[0] == "does not hold"
    assert found("C18", runs("sse"), runs("websocket", bytes_down=6000))[0] == "holds"


def test_websocket_with_deflate_is_a_side_of_its_own() -> None:
    deflated = runs("websocket", deflate=True, bytes_down=2000)
    verdict, because = found("C18", runs("sse"), runs("websocket", bytes_down=6000), deflated)
    assert verdict == "depends"
    assert "WebSocket with deflate 36.7" in because.partition("Against it")[2]


def test_c19_does_not_hold_in_its_first_half_where_both_take_as_long() -> None:
    verdict, because = found("C19", runs("sse", ttft=101, e2e=3001), runs("whole", ttft=3003, e2e=3003))
    assert verdict == "depends"
    assert "For it: ms without a token on an open connection: whole 3,003 of 3,003." in because
    assert "Against it: ms to the last token: SSE 3,001, whole 3,003 (no difference)." in because


def test_c19_holds_where_the_whole_takes_longer() -> None:
    assert found("C19", runs("sse", ttft=101, e2e=3001), runs("whole", ttft=4000, e2e=4000))[0] == "holds"


def test_c20_depends_where_waiting_gets_shorter_and_traffic_more() -> None:
    verdict, because = found("C20", runs("sse", ttft=101), runs("whole", ttft=3003, bytes_down=700))
    assert verdict == "depends"
    assert (
        because == "For it: ms to the first token: SSE 101, whole 3,003. Against it: bytes per token: SSE 75, whole 15."
    )


def test_c21_says_how_much_more() -> None:
    verdict, because = found("C21", runs("sse"), runs("whole", bytes_down=700))
    assert (verdict, because) == ("holds", "bytes per token: whole 15, SSE 75, 5 times as many.")
    assert found("C21", runs("sse", bytes_down=700), runs("whole"))[0] == "does not hold"


def test_noise_is_no_difference() -> None:
    noisy = [row | {"ttft_ms": {"p50": 100 + 7 * row["run"]}} for row in runs("sse") + runs("whole", bytes_down=9000)]
    quiet = [row if row["transport"] == "sse" else row | {"ttft_ms": {"p50": 134}} for row in noisy]
    verdict, because = found("C20", quiet)  # 107 … 135 and 134: the medians differ, their intervals do not
    assert verdict == "depends"
    assert "Against it: ms to the first token: SSE 121 (107 to 135), whole 134 (no difference)." in because


def test_few_runs_are_said_to_be_few() -> None:
    said = "(4 runs: little is known of noise.)"
    assert found("C21", runs("sse", 4), runs("whole", 5))[1].endswith(said)
    assert said not in found("C21", runs("sse"), runs("whole"))[1]


def test_other_conditions_are_told_where_they_change_the_outcome_and_counted_where_not() -> None:
    sides = [runs("sse"), runs("websocket", bytes_down=3460)]
    tls = [[row | {"tls": True} for row in side] for side in sides]
    cookies = [runs("sse", cookie_bytes=2000), runs("websocket", bytes_down=9000, cookie_bytes=2000, tls=True)]
    cookies[0] = [row | {"tls": True} for row in cookies[0]]
    verdict, because = found("C18", *cookies, *tls, *sides)
    assert verdict == "depends"
    assert because.startswith("bytes per token: SSE 75, WebSocket 61.")
    assert " With 2000 bytes of cookies, TLS: bytes per token: SSE 75, WebSocket 153." in because
    assert because.endswith("The same under 1 other condition.")


def test_the_order_in_which_things_were_measured_does_not_matter() -> None:
    rows = [*runs("whole"), *runs("sse"), *runs("websocket", deflate=True), *runs("websocket"), *runs("iframe")]
    rows += [row | {"poll_ms": poll_ms} for poll_ms in (200, 100) for row in runs(f"polling {poll_ms} ms")]
    rows += runs("long_polling") + runs("sse", tls=True) + runs("whole", tls=True, bytes_down=9)
    assert verdicts(rows) == verdicts(reversed(rows))


@pytest.mark.parametrize("unlike", [{"token_ms": 10.0}, {"unit": "grapheme"}, {"readers": 9}, {"tls": True}])
def test_only_what_was_measured_under_the_same_conditions_is_compared(unlike: dict[str, Any]) -> None:
    whole = [row | unlike for row in runs("whole")]
    assert found("C21", runs("sse"), whole)[0] == "not measured"


def test_rows_without_figures_measure_nothing() -> None:
    bare = [{key: row[key] for key in ROW} for row in runs("sse") + runs("whole") + runs("websocket") + POLLINGS]
    assert {verdict["verdict"] for verdict in verdicts(bare)} == {"not measured"}


def test_c20_is_judged_by_half_where_the_wait_was_not_measured() -> None:
    verdict, because = found("C20", runs("sse"), runs("whole", bytes_down=700))
    assert verdict == "depends"
    assert because == "bytes per token: SSE 75, whole 15. Not measured: ms to the first token."


def test_one_run_decides_only_by_what_is_counted_or_differs_much() -> None:
    def cpu(count: int, there: float) -> str:
        sides = runs("sse", count, cpu_us_per_token=100.0), runs("websocket", count, cpu_us_per_token=there)
        return found(
            "C18",
            *([row | {"bytes_down": 4300 - 1000 * (row["transport"] == "sse")} for row in side] for side in sides),
        )[0]

    assert cpu(1, 101.7) == "depends"
    assert cpu(1, 120.0) == "holds"
    assert cpu(2, 101.7) == "holds"
