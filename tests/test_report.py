"""The report and the table: what people see of a result, whole or cut short, made from seeded, synthetic readings."""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from lab import figures, result
from lab.report.charts import chart_svg, charts
from lab.report.glossary import FIGURES
from lab.report.headline import headlines
from lab.report.look import COLOURS
from lab.report.page import CHAPTERS, report
from lab.report.series import front, scenes, series
from lab.report.table import COLUMNS, LOAD_COLUMNS, WEIGHTS, table
from lab.spread import summary
from server.transports import TRANSPORTS

TEXT = "Push is not one thing: it is five ways to move a cursor over a log that somebody else is still writing. " * 3
TOKENS = 60
POLLS = {"polling 200 ms": 200, "polling 500 ms": 500}
VARIANTS = [*POLLS, "long_polling", "iframe", "sse", "websocket", "whole"]
TRAFFIC = {  # bytes up and down of a request, and those of a read
    "polling": (141, 160, 29),
    "long_polling": (142, 160, 29),
    "iframe": (147, 1400, 75),
    "sse": (144, 250, 57),
    "websocket": (205, 130, 40),
    "whole": (142, 160, 29),
}
ENVIRONMENT = {"pushlab": "0.1.0", "commit": None, "cpu": "A processor", "cores": 2, "network": "loopback"}


def received(variant: str, appended: list[float], chance: random.Random) -> list[float]:
    """When the tokens are here: after the transport's own way, or at the next poll, or all at the end."""
    if poll_ms := POLLS.get(variant):
        begin = chance.uniform(0, poll_ms)
        return [begin + -(-(at - begin) // poll_ms) * poll_ms + 1.5 for at in appended]
    if variant == "whole":
        return [appended[-1] + 2.0] * len(appended)
    times, earliest = [], 0.0
    for at in appended:
        earliest = max(earliest, at + chance.lognormvariate(0.2, 0.5))
        times.append(earliest)
    return times


def row(variant: str, run: int, seed: int = 1, **conditions: Any) -> dict[str, Any]:
    """One run, as the overhead experiment writes it."""
    chance = random.Random(f"{variant} {run} {seed} {conditions}")  # noqa: S311
    token_ms = conditions.get("token_ms", 50.0)
    transport = "polling" if variant in POLLS else variant
    due = [100 + token_ms * at for at in range(TOKENS)]
    appended = [at + chance.expovariate(2) for at in due]
    here = received(variant, appended, chance)
    reads = [len(list(same)) for _, same in groupby(here)]
    requests = int(here[-1] // POLLS[variant]) if variant in POLLS else len(reads) if "long" in variant else 1
    up, down, chunk = TRAFFIC[transport]
    envelope = 28 * max(requests, len(reads))
    ledger = {
        "source": "TCP_INFO",
        "requests": requests,
        "connections": 1,
        "bytes_up": up * requests,
        "bytes_down": down * requests + chunk * len(reads) + len(TEXT),
        "segments_up": requests + len(reads),
        "segments_down": requests + len(reads),
        "retransmits": 0,
    }
    return (
        {"transport": transport, "variant": variant, "run": run, "readers": 1, "poll_ms": POLLS.get(variant)}
        | {"token_ms": token_ms, "unit": "word", "cookie_bytes": 0, "tls": False, "deflate": False}
        | conditions
        | figures.figures(here, appended, due, reads, token_ms)
        | figures.cost(ledger, TEXT, envelope)
        | {"empty_polls": max(0, requests - len(reads))}
        | {"times": {"received_ms": here, "appended_ms": appended, "due_ms": due}}
    )


def document(rows: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A document of these rows, complete unless `fields` say otherwise."""
    made = result.document(
        "overhead", "python -m lab overhead --out out", ENVIRONMENT, {"runs": 5, "poll_ms": [200, 500]}
    )
    verdicts = [
        {
            "claim": "C6",
            "says": "All three need frequent requests",
            "verdict": "depends",
            "because": "iframe needs one.",
        },
        {
            "claim": "C18",
            "says": "SSE's overhead is lower",
            "verdict": "does not hold",
            "because": "97 B against 73 B.",
        },
        {"claim": "C19", "says": "Without streaming it takes longer", "verdict": "holds", "because": "3,050 ms."},
        {"claim": "C14", "says": "A kept connection costs memory", "verdict": "not measured", "because": "See load."},
    ]
    return made | {"complete": True, "rows": rows, "verdicts": verdicts} | fields


def overhead(runs: int = 5, **fields: Any) -> dict[str, Any]:
    """What `python -m lab overhead` writes."""
    return document([row(variant, run) for run in range(1, runs + 1) for variant in VARIANTS], **fields)


def load_row(variant: str, readers: int, run: int, **fields: Any) -> dict[str, Any]:
    """One run, as the load experiment writes it: later the more there are, for polling sooner than for streams."""
    made = row(variant, run, seed=readers)
    del made["times"]
    many = {key: made[key] * readers for key in ("tokens", "requests", "connections", "bytes_up", "bytes_down")}
    more = {key: made[key] * readers for key in ("text_bytes", "envelope_bytes", "framing_bytes", "wire_bytes")}
    slower = 1 + readers / (1000 if variant in ("sse", "websocket") else 100)
    corrected = {key: round(value * slower, 3) for key, value in made["corrected_lag_ms"].items()}
    idle = 11_000.0 + 100 * run + len(variant) * 300
    return (
        made
        | many
        | more
        | {
            "readers": readers,
            "corrected_lag_ms": corrected,
            "missing_tokens": 0,
            "objective_met": corrected["p95"] <= 20,
        }
        | {"cpu_us_per_token": round(40 * (1 + 3 / readers) * len(made["histograms"]) / 3 + run, 3)}
        | {"memory_bytes_per_connection": {"idle": idle, "active": idle * 1.4}, "memory_points": [[0, 1], [readers, 2]]}
        | {"server_cpu": 0.5, "client_cpu": [0.3, 0.4], "void": None, "error": None}
        | fields
    )


def void_row(variant: str, readers: int, run: int) -> dict[str, Any]:
    """A run that is not published."""
    kept = ("transport", "variant", "run", "poll_ms", "token_ms", "unit", "cookie_bytes", "tls", "deflate", "jitter_ms")
    proof = {key: value for key, value in row(variant, run).items() if key in kept}
    return proof | {
        "readers": readers,
        "server_cpu": 1.0,
        "client_cpu": [0.97],
        "void": "A load process used 0.97 cores.",
    }


def load(**fields: Any) -> dict[str, Any]:
    """What `python -m lab load` writes, with a void step."""
    tried = [(variant, readers) for variant in ("long_polling", "sse", "websocket") for readers in (1, 100, 1000, 4000)]
    rows = [load_row(variant, readers, run) for run in range(1, 4) for variant, readers in tried]
    made = document([*rows, void_row("iframe", 4000, 1)], experiment="load", command="python -m lab load --out out")
    return made | {"parameters": {"readers": [1, 100, 1000, 4000], "objective_ms": 20}} | fields


def sweep() -> dict[str, Any]:
    """The overhead experiment under several conditions, deflate included, cut short."""
    conditions: list[dict[str, Any]] = [{"token_ms": 20.0}, {"token_ms": 50.0}, {"token_ms": 50.0, "tls": True}]
    rows = [row(variant, run, **each) for each in conditions for run in (1, 2) for variant in VARIANTS]
    deflated = [row("websocket", run, **each, deflate=True) for each in conditions for run in (1, 2)]
    for each in deflated:
        each |= {"bytes_down": each["bytes_down"] // 3, "framing_bytes": -400}
    return document([*rows, *deflated], complete=False, note="stopped by Ctrl-C after 48 of 120 runs")


def crowd() -> dict[str, Any]:
    """The overhead experiment as it is made without flags: single readers, and one crowd at another pace."""
    together = [load_row(variant, 150, 1, token_ms=100.0) for variant in ("sse", "websocket")]
    return document([row(variant, run) for run in (1, 2) for variant in VARIANTS] + together)


def without(*keys: str, **fields: Any) -> dict[str, Any]:
    """The overhead experiment, where nothing was found out about `keys`."""
    rows = overhead()["rows"]
    return document([row | dict.fromkeys(keys) | fields for row in rows])


def token(deliveries: int, lag: float, run: int = 1, **fields: Any) -> dict[str, Any]:
    """A made-up run of which nothing is known but its bytes and its lag."""
    name = fields.get("transport", "sse")
    return {"transport": name, "variant": name, "run": run, "readers": 1, "token_ms": 50.0, "unit": "word"} | {
        "cookie_bytes": 0,
        "tls": False,
        "deflate": False,
        "tokens": 10,
        "bytes_up": 0,
        "bytes_down": 10 * deliveries,
        "lag_ms": dict.fromkeys(("mean", "p50", "p95", "p99", "max"), lag),
        **fields,
    }


DOCUMENTS: dict[str, dict[str, Any]] = {
    "overhead": overhead(),
    "load": load(),
    "sweep": sweep(),
    "crowd": crowd(),
    "one run": overhead(runs=1),
    "one row": document([row("sse", 1)]),
    "only the baseline": document([row("whole", run) for run in (1, 2)]),
    "no rows": document([], complete=False, note=None, verdicts=[]),
    "only void rows": load(rows=[void_row("sse", 4000, 1), void_row("iframe", 4000, 1)]),
    "bytes from asyncio": without("segments_up", "segments_down", "retransmits", "wire_bytes", source="asyncio"),
    "no times": without("times", "histograms"),
    "no pace": document([row("sse", 1, token_ms=0.0)]),
    "only its bytes and lag": document([token(30, 2.0)]),
}


class Page(HTMLParser):
    """What a browser makes of a report: its tags, its text, and what is in each script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(re.sub(r"(?s)<style>.*?</style>", "", html))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.tags.append(("/script", {}))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def data(self) -> Iterator[Any]:
        kinds = [attributes.get("type") for tag, attributes in self.tags if tag == "script"]
        for kind, script in zip(kinds, self.scripts, strict=True):
            if kind == "application/json":
                yield json.loads(script)


@cache
def html(name: str) -> str:
    """The report of one of DOCUMENTS."""
    return report(DOCUMENTS[name])


@cache
def page(name: str) -> Page:
    """The same, read."""
    return Page(html(name))


def printed(document: dict[str, Any], width: int = 100) -> str:
    """What the terminal shows, without its colours."""
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(table(document))
    return capture.get()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_gives_a_page_with_a_verdict_and_how_it_was_measured(name: str) -> None:
    made = DOCUMENTS[name]
    for said in (*headlines(series(made), made), made["command"], "A processor"):
        assert said in page(name).text
    assert "None" not in page(name).text
    assert "nan" not in page(name).text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_gives_a_table_with_the_same_headline(name: str) -> None:
    made = DOCUMENTS[name]
    lines = printed(made, width=1000)
    assert all(said in lines for said in headlines(series(made), made))
    assert "None" not in lines


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_holds_the_whole_document(name: str) -> None:
    *_, kept = page(name).data()
    assert kept == json.loads(json.dumps(DOCUMENTS[name]))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_chart_is_in_the_page_with_its_explanation(name: str) -> None:
    drawn = charts(DOCUMENTS[name])
    *specs, _document = page(name).data()
    assert specs == [drawn[chapter] for chapter in CHAPTERS if chapter in drawn]
    assert drawn.keys() <= CHAPTERS.keys()


def test_nothing_in_a_document_can_become_part_of_the_page() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&`<b>`\u2028"
    rows = [row("sse", run) | {"variant": evil, "unit": evil} for run in (1, 2)]
    void = void_row("iframe", 1, 1) | {"void": evil, "variant": evil}
    verdicts = [dict.fromkeys(("claim", "says", "verdict", "because"), evil)]
    fields = {"command": evil, "note": evil, "environment": {evil: evil}, "parameters": {evil: evil}}
    made = document([*rows, void], verdicts=verdicts, complete=False, **fields)
    found, harmless = Page(report(made)), Page(report(document([row("sse", 1), row("sse", 2)])))
    assert "img" not in {tag for tag, _ in found.tags}
    assert len(found.scripts) == len(harmless.scripts)
    *_, kept = found.data()
    assert kept["command"] == evil


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_refers_to_nothing_outside_of_it(name: str) -> None:
    tags = page(name).tags
    links = [attributes[key] for _, attributes in tags for key in ("src", "href", "action") if key in attributes]
    assert links == ["#data"]
    assert not {"link", "img", "iframe", "object", "embed"} & {tag for tag, _ in tags}
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in tags)


def test_what_is_not_complete_says_so_before_anything_else() -> None:
    note = "incomplete: stopped by Ctrl-C after 48 of 120 runs"
    assert 0 <= page("sweep").text.find(note) < page("sweep").text.find("On bytes and lag")
    assert printed(sweep()).startswith(note)
    assert "incomplete" not in page("overhead").text + printed(overhead())


def test_verdicts_are_told_by_words_too() -> None:
    for told in (page("overhead").text, printed(overhead())):
        for verdict in ("depends", "does not hold", "holds", "not measured"):
            assert re.search(rf"[✓✗±–] {verdict}", told)


def test_whoever_is_beaten_in_neither_figure_is_on_the_front() -> None:
    cheap = token(20, 500.0, transport="polling", variant="polling 500 ms")
    beaten = token(60, 500.0, transport="polling", variant="polling 50 ms")
    found = series(document([cheap, beaten, token(50, 2.0), token(50, 900.0, transport="whole", variant="whole")]))
    assert {one.label for one in front(found)} == {"polling 500 ms", "sse"}
    (headline, *_) = headlines(found, document([]))
    assert "nothing beats polling 500 ms (20 B per token, p95 lag 500 ms) or sse (50 B per token, p95 lag 2" in headline


def test_chance_alone_puts_nobody_off_the_front() -> None:
    lags = {
        "sse": (1.0, 1.2, 1.1, 1.3, 1.4),
        "websocket": (1.25, 1.2, 1.5, 1.15, 1.3),
        "iframe": (2.0, 2.1, 2.2, 2.3, 2.4),
    }
    rows = [
        token(50, lag, run, transport=name, variant=name) for name, each in lags.items() for run, lag in enumerate(each)
    ]
    assert [one.label for one in front(series(document(rows)))] == ["sse", "websocket"]


def test_nobody_beats_anybody_when_there_is_only_one() -> None:
    made = DOCUMENTS["one row"]
    assert "nothing beats" not in " ".join(headlines(series(made), made))


def test_what_is_compared_has_the_same_conditions() -> None:
    for rivals in scenes(series(sweep())):
        assert len({(one.key.token_ms, one.key.tls) for one in rivals}) == 1
        assert "websocket with deflate" in {one.label for one in rivals}


def test_variants_stand_in_the_order_of_the_transports_whatever_ran_first() -> None:
    rows = overhead()["rows"]
    random.Random(1).shuffle(rows)  # noqa: S311
    transports = [one.key.transport for one in series(document(rows))]
    assert list(dict.fromkeys(transports)) == list(TRANSPORTS)


def test_a_void_run_is_listed_with_its_reason_and_without_figures() -> None:
    made = load()
    assert "iframe 4000 1 A load process used 0.97 cores." in page("load").text
    assert "void iframe, 4,000 readers: A load process used 0.97 cores." in printed(made)
    assert "iframe" not in {one.label for one in series(made)}
    assert "iframe" not in json.dumps(list(charts(made).values()))


def test_what_was_not_measured_is_said() -> None:
    said = {
        "overhead": "Memory per connection and CPU per token were not measured: python -m lab load does that.",
        "bytes from asyncio": "TCP/IP headers could not be estimated.",
        "one run": "There is one run of each, so nothing is known about noise",
        "load": "so there are no token strips.",
    }
    for name, sentence in said.items():
        assert sentence in page(name).text


def values(document: dict[str, Any], chart: str) -> list[dict[str, Any]]:
    """The data of a chart."""
    spec = charts(document)[chart]
    return list(spec["datasets"][spec["data"]["name"]])


def test_the_parts_of_a_token_add_up_to_what_crossed_the_wire() -> None:
    made = row("long_polling", 1)
    parts = values(document([made]), "stack")
    assert [part["kind"] for part in parts] == ["text", "envelope", "framing and headers", "TCP/IP (estimate)"]
    assert sum(part["bytes"] for part in parts) * made["tokens"] == pytest.approx(made["wire_bytes"], abs=0.1)
    assert parts[2]["bytes"] * made["tokens"] == pytest.approx(made["framing_bytes"], abs=0.1)


def test_bytes_that_deflate_mixed_up_are_not_taken_apart() -> None:
    parts = [part for part in values(sweep(), "stack") if part["variant"] == "websocket with deflate"]
    assert {part["kind"] for part in parts} == {"compressed, parts unknown", "TCP/IP (estimate)"}
    assert all(part["bytes"] > 0 for part in values(sweep(), "stack"))


def test_a_strip_has_a_tick_for_each_token_and_marks_the_silences() -> None:
    made = row("polling 200 ms", 1)
    marks = values(document([made]), "strips")
    kinds = [mark["kind"] for mark in marks]
    assert (kinds.count("token"), kinds.count("read")) == (made["tokens"], made["chunks"])
    assert sum(mark["tokens"] for mark in marks if mark["kind"] == "read") == made["tokens"]
    assert kinds.count("gap") == made["chunks"] - 1  # each poll comes four tokens after the last
    assert "gap" not in [mark["kind"] for mark in values(document([row("sse", 1)]), "strips")]


def test_percentiles_of_several_runs_are_those_of_all_their_tokens() -> None:
    times = [[1.0] * 90 + [100.0] * 10, [2.0] * 100]
    due = [0.0] * 100
    rows = [row("sse", run) | figures.figures(each, due, due, [1] * 100, 50) for run, each in enumerate(times)]
    points = {point["name"]: point["ms"] for point in values(document(rows), "curves") if "name" in point}
    pooled = summary(times[0] + times[1])
    assert points == pytest.approx({name: pooled[name] for name in ("p50", "p95", "p99")}, rel=0.001)


def test_transports_have_the_colours_of_the_pages() -> None:
    style = (Path(__file__).parent.parent / "pages" / "style.css").read_text(encoding="utf-8")
    hues: dict[str, str] = {}
    for name, hue in re.findall(r'\[value="(\w+)"\] \{ --hue: (#\w+)', style):
        hues.setdefault(name, hue)  # the first is that of the light page
    assert {name: COLOURS[name] for name in hues} == hues
    assert COLOURS.keys() == TRANSPORTS.keys()


def test_variants_of_one_transport_differ_in_shape() -> None:
    spec = charts(overhead())["plane"]
    (shapes,) = [layer["encoding"]["shape"]["scale"] for layer in spec["layer"] if "shape" in layer["encoding"]]
    assert shapes["domain"] == [one.label for one in series(overhead())]
    assert len(set(shapes["range"])) == len(VARIANTS)


def test_the_picture_stands_alone_on_white() -> None:
    picture = ElementTree.fromstring(chart_svg(overhead()))  # noqa: S314 (it is ours)
    text = " ".join(picture.itertext())
    for words in ("down and left is better", "bytes per token", "p95 lag (ms)", *VARIANTS):
        assert words in text
    assert "#ffffff" in chart_svg(overhead())


def test_there_is_no_picture_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        chart_svg(DOCUMENTS["no rows"])


def test_every_column_is_a_known_figure_and_has_a_weight() -> None:
    assert COLUMNS.keys() | LOAD_COLUMNS.keys() == set(WEIGHTS)
    assert set(WEIGHTS) <= FIGURES.keys()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("name", ["overhead", "load", "sweep", "crowd"])
def test_no_figure_is_cut_off_in_a_terminal(name: str, width: int) -> None:
    lines = printed(DOCUMENTS[name], width)
    assert "…" not in lines
    assert max(map(len, lines.splitlines())) <= width


def test_a_wide_terminal_shows_more() -> None:
    heads = {width: printed(overhead(), width).splitlines()[1] for width in (80, 100, 160)}
    assert "p95 ms" in heads[80]
    assert len(heads[80].split()) < len(heads[100].split()) <= len(heads[160].split())


def test_conditions_are_shown_only_where_they_differ() -> None:
    assert "TLS" not in printed(overhead())
    head = printed(sweep(), 160).splitlines()[2]
    assert {"TLS", "ms"} <= set(head.split())
    assert "cookies" not in printed(sweep(), 160)


def test_a_figure_stands_beside_its_number_of_readers() -> None:
    rows = [load_row("sse", 1000, run) for run in (1, 2, 3)]
    made = load(rows=rows)
    assert "1,000" in printed(made)
    assert "All figures: 1,000 readers" in Page(report(made)).text


def test_the_headline_of_a_load_is_what_was_served_in_time() -> None:
    headline, *_ = headlines(series(load()), load())
    assert "4,000 readers by sse and websocket, 100 readers by long_polling, unknown (void) for iframe." in headline


def test_a_crowd_that_was_served_too_late_is_told_from_one_of_which_nothing_is_known() -> None:
    late = load_row("polling 200 ms", 100, 1, objective_met=False)
    late["corrected_lag_ms"] |= {"p95": 300.0}
    made = load(rows=[late, void_row("iframe", 100, 1)])
    assert "no crowd by polling, unknown (void) for iframe." in headlines(series(made), made)[0]


def test_the_table_has_cpu_and_memory_of_a_crowd_beside_single_readers() -> None:
    head, *lines = printed(crowd(), 160).partition("Medians")[0].splitlines()[1:]
    assert "CPU µs" in head or "per token" in head
    assert "idle conn." in head + lines[0]


def test_medians_stand_under_each_other() -> None:
    rows = [token(30, lag, run) for run, lag in enumerate((1.0, 2.0, 3.0))] + [token(20, 7.0, 1, transport="whole")]
    lines = printed(document(rows), 60).splitlines()
    (quoted,), (bare,) = ([line for line in lines if line.startswith(name)] for name in ("sse", "whole"))
    assert quoted.index("2 1–3") == bare.index("7")
