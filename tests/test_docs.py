"""The documentation, held against the code."""

import re
import shlex
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest

from clients import CLIENTS
from lab.command_line import command_line
from lab.experiment import SHOWN
from lab.faults.kinds import FAULTS
from lab.peers.catalogue import PEERS
from lab.report.charts import chart_svg
from lab.report.series import series
from lab.result import read
from lab.security.experiment import Parameters, plan
from lab.stream_or_not.experiment import Parameters as Asked
from lab.stream_or_not.ways import WAYS
from server.order import FIELDS
from server.sources.presets import PRESETS
from server.transports import TRANSPORTS
from tests import defences, figures, performance, reliability, streaming
from tests.transcripts import BLOCK, WIRE, transcript

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LANGUAGES = {"README.md": "README.zh-CN.md"}

VARIES = [  # what differs from one recording to the next, and from one machine to the next
    (r"/answers/[0-9a-f]{32}/", "/answers/ID/"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"Date: .*", "Date: NOW"),
    (r"Server: .*", "Server: VERSIONS"),
    (r"nonce-[\w-]+", "nonce-NONCE"),
    (r"Content-Length: \d+", "Content-Length: N"),
    (r"cursor=\d+", "cursor=N"),
]


def modules(folder: Path, suffix: str) -> set[str]:
    """The names of the modules in a folder, tables apart."""
    return {path.stem for path in folder.glob(f"*{suffix}")} - {"__init__", "index"}


def heads(text: str) -> set[str]:
    """The request and response lines of a transcript, with all that varies masked."""
    for pattern, mask in VARIES:
        text = re.sub(pattern, mask, text)
    return {line for line in text.splitlines() if re.match(r"> |< (HTTP/1\.1 |[\w-]+: )", line)} - sse_fields(text)


def sse_fields(text: str) -> set[str]:
    """The lines of the body that look like header lines."""
    return set(re.findall(r"^< (?:id|event|data|retry): .*$", text, re.MULTILINE))


def test_each_transport_has_one_name_everywhere() -> None:
    names = set(TRANSPORTS)
    assert set(CLIENTS) == names
    assert modules(ROOT / "server" / "transports", ".py") == names
    assert names <= modules(ROOT / "clients", ".py")
    assert modules(ROOT / "pages" / "js" / "transports", ".js") == names
    assert modules(ROOT / "docs" / "transports", ".md") == names
    table = (ROOT / "pages" / "js" / "transports" / "index.js").read_text(encoding="utf-8")
    listed = re.search(r"TRANSPORTS = \{(.*?)\}", table, re.DOTALL)
    assert listed
    assert set(re.findall(r"^\s*(\w+)", listed[1].replace(",", "\n"), re.MULTILINE)) == names


async def test_the_transcript_is_what_the_server_says_today(name: str, server: str) -> None:
    recorded = re.search(BLOCK.format(name=name), WIRE.read_text(encoding="utf-8"), re.DOTALL)
    assert recorded, f"docs/wire.md has no transcript of {name}"
    today = await transcript(server, name)
    assert heads(recorded[0]) == heads(today)
    for text in (recorded[0], today):
        assert "".join(re.findall(r'"text":"([^"]*)"', text)) == "够钟下班啦"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def shape(text: str) -> list[str]:
    """What must be equal in every language: headings by level, code blocks, table rows by cells, links and pictures."""
    parts: list[str] = []
    for block in re.split(r"(```.*?```)", text, flags=re.DOTALL):
        if block.startswith("```"):
            parts.append(re.sub(r"\s*#.*", "", block))  # comments are translated, commands are not
            continue
        for line in block.splitlines():
            if heading := re.match(r"#+ ", line):
                parts.append(heading[0])
            elif line.startswith("|"):
                parts.append("|" * line.count("|"))
            targets = re.findall(r"\]\(([^)]+)\)", line)
            parts += sorted(re.sub(r"\.(en|zh)\.png", ".png", target) for target in targets)
    return [part for part in parts if not any(other in part for other in (*LANGUAGES, *LANGUAGES.values()))]


@pytest.mark.parametrize(("english", "chinese"), LANGUAGES.items())
def test_both_languages_say_the_same(english: str, chinese: str) -> None:
    assert shape((ROOT / english).read_text(encoding="utf-8")) == shape((ROOT / chinese).read_text(encoding="utf-8"))


def mentioned(words: Iterable[str], text: str) -> set[str]:
    """Those of `words` that stand in `text` as code."""
    return {word for word in words if f"`{word}`" in text}


def test_the_wire_page_names_every_field_preset_and_transport() -> None:
    text = WIRE.read_text(encoding="utf-8")
    for words in (FIELDS, PRESETS, TRANSPORTS):
        assert mentioned(words, text.replace("[`", "`").replace("`]", "`")) == set(words)


def labels(svg: str) -> list[str]:
    """What each mark of a chart stands for; where it is put depends on the fonts of the machine."""
    found = re.findall(r'aria-label="([^"]*)"', svg)
    assert found
    return found


def test_the_figures_page_and_its_chart_are_made_from_the_committed_result() -> None:
    document = read(figures.RESULT)
    text = figures.PAGE.read_text(encoding="utf-8")
    assert figures.page(text, document) == text, "run: python -m tests.figures"
    assert labels(figures.CHART.read_text(encoding="utf-8")) == labels(chart_svg(document)), (
        "run: python -m tests.figures"
    )
    assert document["complete"]
    assert document["environment"]["dirty"] is False
    assert min(len(one.rows) for one in series(document) if one.key.readers == 1) >= 5


def test_the_security_page_is_made_from_a_committed_result_of_every_attack() -> None:
    assert defences.RESULT.exists(), "run: python -m lab security --out docs/security; python -m tests.defences"
    document = read(defences.RESULT)
    text = defences.PAGE.read_text(encoding="utf-8")
    assert defences.page(text, document) == text, "run: python -m tests.defences"
    assert document["complete"]
    assert document["environment"]["dirty"] is False
    tried = {(row["probe"], row["transport"], row["defence"]) for row in document["rows"]}
    assert tried == set(plan(Parameters()))
    assert "could not run" not in {row[run] for row in document["rows"] for run in ("off", "on")}


def test_the_reliability_page_is_made_from_committed_results_of_all_faults_and_of_a_crowd() -> None:
    documents = {name: read(path) for name, path in reliability.RESULTS.items()}
    text = reliability.PAGE.read_text(encoding="utf-8")
    assert reliability.page(text, documents) == text, "run: python -m tests.reliability"
    for name, document in documents.items():
        assert document["complete"]
        assert document["environment"]["dirty"] is False
        assert SHOWN[name].wrong(document) is None
    tried = {(row["fault"], row["transport"]) for row in documents["faults"]["rows"]}
    assert tried == set(product(FAULTS, TRANSPORTS))
    assert {row["transport"] for row in documents["soak"]["rows"]} == set(TRANSPORTS)
    assert documents["soak"]["parameters"]["readers"] >= 2000
    assert documents["soak"]["parameters"]["minutes"] >= 2


def test_the_page_of_the_models_is_made_from_a_committed_result_of_every_way_and_crowd() -> None:
    document = read(streaming.RESULT)
    text = streaming.PAGE.read_text(encoding="utf-8")
    assert streaming.page(text, document) == text, "run: python -m tests.streaming"
    assert document["complete"]
    assert document["environment"]["dirty"] is False
    asked = {(row["way"], row["readers"]) for row in document["rows"]}
    assert asked == set(product(WAYS, Asked().askers))
    assert (ROOT / "docs" / "stream.py").read_text(encoding="utf-8") in text


def test_every_command_of_the_lab_in_the_documentation_is_one() -> None:
    parser = command_line()
    for page in PAGES:
        for command in re.findall(r"python -m lab ([^#`\n]*)", page.read_text(encoding="utf-8")):
            if not command.startswith("EXPERIMENT") and command.strip() != "record":
                parser.parse_args(shlex.split(command))


def test_the_performance_page_is_made_from_a_committed_result_of_all_peers_and_two_profiles() -> None:
    document, crowds = read(performance.PEERS), read(performance.CROWDS)
    text = performance.PAGE.read_text(encoding="utf-8")
    assert performance.page(text, document, crowds, performance.profiles()) == text, "run: python -m tests.performance"
    for each in (document, crowds):
        assert each["complete"]
        assert each["environment"]["dirty"] is False
        assert SHOWN["peers"].wrong(each) is None
    measured = {(row["peer"], row["transport"]) for row in document["rows"]}
    assert measured == {(name, transport) for name, peer in PEERS.items() for transport in peer.transports}
